//! Rounds in rotating order, so that what drifts on the machine touches everything alike; medians of them.

use std::fmt;

/// One thing to measure: its name, and how.
pub(crate) struct Job<'a, T> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> anyhow::Result<T> + 'a>,
}

impl<'a, T> Job<'a, T> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> anyhow::Result<T> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Runs every job once a round, beginning with another one each round. For each job, its results by round.
pub(crate) fn interleave<T: fmt::Display>(rounds: usize, jobs: &mut [Job<'_, T>]) -> anyhow::Result<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = jobs.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..jobs.len() {
            let nth = (step + round) % jobs.len();
            let result = (jobs[nth].run)()?;
            eprintln!("  {}: {:<28} {result}", round + 1, jobs[nth].name);
            results[nth].push(result);
        }
    }
    Ok(results)
}

/// The median of some numbers, and the least and the most of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |nth: usize| sorted.get(nth).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len().is_multiple_of(2) { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 } else { at(middle) };
        Self { median, least: at(0), most: at(sorted.len().saturating_sub(1)) }
    }

    /// The quotients of what was measured in the same round.
    pub(crate) fn of_ratios<T, U>(over: &[T], under: &[U], a: impl Fn(&T) -> f64, b: impl Fn(&U) -> f64) -> Self {
        Self::of(over.iter().zip(under).map(|(over, under)| a(over) / b(under)))
    }
}

/// `0.57 [0.55–0.60]`, with as many decimals as make three digits.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.median.abs() {
            100.0.. => 0,
            10.0.. => 1,
            _ => 2,
        };
        write!(f, "{:.decimals$} [{:.decimals$}–{:.decimals$}]", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn a_spread_is_median_least_and_most() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).to_string(), "2.00 [1.00–3.00]");
        assert_eq!(Spread::of([10.0, 20.0]).to_string(), "15.0 [10.0–20.0]");
        let ratios = Spread::of_ratios(&[1.0, 4.0, 9.0], &[2.0, 4.0, 3.0], |a| *a, |b| *b);
        assert_eq!(ratios.to_string(), "1.00 [0.50–3.00]");
    }
}
