//! Bars and lines as SVG: on logarithmic scales, but for bars in panels.

use std::fmt::Write;

use crate::rounds::Spread;

/// Pixels.
const WIDTH: f64 = 760.0;
const NAMES: f64 = 190.0;
const VALUES: f64 = 90.0;
const ROW: f64 = 28.0;
const TOP: f64 = 44.0;

fn begun(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    )
}

/// Pixels of the field that lines are drawn in.
const LINES: f64 = 320.0;
const LEFT: f64 = 60.0;
const LABELS: f64 = 170.0;
const COLOURS: [&str; 6] = ["#0b6e4f", "#1f6feb", "#b35900", "#8250df", "#57606a", "#cf222e"];

/// A line for each, through its points.
pub(crate) fn lines(title: &str, lines: &[(&str, Vec<(f64, f64)>)]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    assert!(points().all(|(x, y)| x > 0.0 && y > 0.0), "a logarithm is of what is more than nothing");
    let range = |values: &dyn Fn((f64, f64)) -> f64| {
        let least = points().map(values).fold(f64::INFINITY, f64::min);
        let most = points().map(values).fold(f64::MIN_POSITIVE, f64::max);
        (least, most)
    };
    let (first, last) = range(&|(x, _)| x);
    let (least, most) = range(&|(_, y)| y);
    let (bottom, top) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
    let share = |value: f64, from: f64, to: f64| (value / from).log10() / (to / from).log10().max(0.1);
    let x = |value: f64| LEFT + share(value, first, last) * (WIDTH - LEFT - LABELS);
    let y = |value: f64| TOP + LINES - share(value, bottom, top) * LINES;
    let mut svg = begun(title, TOP + LINES + 32.0);
    let mut draw = |line: String| svg.push_str(&(line + "\n"));
    let grid = |from: f64, to: f64| {
        std::iter::successors(Some(from), |value| Some(value * 10.0)).take_while(move |value| *value <= to * 1.001)
    };
    for value in grid(bottom, top) {
        let at = y(value);
        draw(format!(
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#777\" font-size=\"11\" text-anchor=\"end\">{value}</text>",
            WIDTH - LABELS,
            LEFT - 8.0,
            at + 4.0
        ));
    }
    for value in grid(first, last) {
        let at = x(value);
        draw(format!(
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" fill=\"#777\" font-size=\"11\" text-anchor=\"middle\">{value}</text>",
            TOP + LINES,
            TOP + LINES + 18.0
        ));
    }
    // Names stand where their lines end, and never on one another.
    let ends = lines.iter().map(|(_, points)| points.last().map_or(TOP, |(_, end)| y(*end)));
    let mut ends: Vec<(usize, f64)> = ends.enumerate().collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = TOP;
    for (nth, end) in ends {
        let ((name, points), colour) = (&lines[nth], COLOURS[nth % COLOURS.len()]);
        let path: Vec<String> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        let label = end.max(free);
        free = label + 16.0;
        draw(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name} ({:.0})</text>",
            path.join(" "),
            WIDTH - LABELS + 8.0,
            label + 4.0,
            points.last().map_or(0.0, |(_, value)| *value)
        ));
    }
    svg + "</svg>\n"
}

/// A bar for each, the first in colour.
pub(crate) fn bars(title: &str, bars: &[(&str, Spread)]) -> String {
    let least = bars.iter().map(|(_, spread)| spread.least).fold(f64::INFINITY, f64::min);
    let most = bars.iter().map(|(_, spread)| spread.most).fold(1.0, f64::max);
    // From a power of ten well below the least: no bar is without length.
    let from = 10_f64.powf((least.max(1e-3) / 2.0).log10().floor());
    let scale = (WIDTH - NAMES - VALUES) / (most / from).log10().max(0.1);
    let x = |value: f64| NAMES + (value / from).log10().max(0.0) * scale;
    let height = TOP + ROW * bars.len() as f64 + 28.0;
    let mut svg = begun(title, height);
    let mut draw = |line: String| svg.push_str(&(line + "\n"));
    let mut power = from;
    while power <= most {
        let at = x(power);
        draw(format!(
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" fill=\"#777\" font-size=\"11\" text-anchor=\"middle\">{power}</text>",
            height - 24.0,
            height - 9.0
        ));
        power *= 10.0;
    }
    for (nth, (name, spread)) in bars.iter().enumerate() {
        let (top, colour) = (TOP + ROW * nth as f64 + 4.0, if nth == 0 { "#0b6e4f" } else { "#9aa5b1" });
        let (end, middle, text) = (x(spread.median), top + ROW / 2.0 - 4.0, top + ROW / 2.0 + 1.0);
        let mut line = String::new();
        write!(
            line,
            "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{NAMES}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"black\"/>\
             <text x=\"{:.1}\" y=\"{text:.1}\">{:.0}</text>",
            NAMES - 8.0,
            end - NAMES,
            ROW - 8.0,
            x(spread.least),
            x(spread.most),
            x(spread.most) + 6.0,
            spread.median
        )
        .expect("writing to a string does not fail");
        draw(line);
    }
    svg + "</svg>\n"
}

/// Pixels of a panel, and of the number at the end of its longest bar.
const PANEL: f64 = 190.0;
const NUMBER: f64 = 62.0;

/// Bars in panels side by side, a row for each name: the first in colour, and a scale for each panel.
pub(crate) fn panels(title: &str, names: &[&str], panels: &[(&str, Vec<Spread>)]) -> String {
    let mut svg = begun(title, TOP + ROW * (names.len() as f64 + 1.0) + 4.0);
    let mut draw = |line: String| svg.push_str(&(line + "\n"));
    let top = |nth: usize| TOP + ROW * (nth as f64 + 1.0);
    for (nth, name) in names.iter().enumerate() {
        let (x, y) = (NAMES - 8.0, top(nth) + 15.0);
        draw(format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{name}</text>"));
    }
    for (nth, (name, spreads)) in panels.iter().enumerate() {
        let left = NAMES + PANEL * nth as f64;
        draw(format!("<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"#777\">{name}</text>", TOP + 15.0));
        let most = spreads.iter().map(|spread| spread.median).fold(1e-3, f64::max);
        for (row, spread) in spreads.iter().enumerate() {
            let (width, y) = ((spread.median / most * (PANEL - NUMBER)).max(1.0), top(row));
            let colour = if row == 0 { "#0b6e4f" } else { "#9aa5b1" };
            draw(format!(
                "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{:.0}</text>",
                ROW - 8.0,
                left + width + 6.0,
                y + 15.0,
                spread.median
            ));
        }
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::{bars, lines, panels};
    use crate::rounds::Spread;

    #[test]
    fn a_bar_ten_times_as_long_is_a_power_further() {
        let drawn = bars("t", &[("a", Spread::of([100.0])), ("b", Spread::of([10.0]))]);
        assert!(drawn.contains("fill=\"#0b6e4f\"") && drawn.contains("width=\"480.0\" height=\"20.0\""), "{drawn}");
        assert!(drawn.contains("width=\"240.0\" height=\"20.0\""), "{drawn}");
    }

    #[test]
    fn a_bar_of_a_panel_is_as_long_as_its_number_says() {
        let drawn = panels("t", &["a", "b"], &[("p", vec![Spread::of([100.0]), Spread::of([25.0])])]);
        assert!(drawn.contains("width=\"128.0\" height=\"20.0\" fill=\"#0b6e4f\""), "{drawn}");
        assert!(drawn.contains("width=\"32.0\" height=\"20.0\" fill=\"#9aa5b1\""), "{drawn}");
    }

    #[test]
    fn a_line_goes_from_corner_to_corner_of_its_range() {
        let drawn = lines("t", &[("a", vec![(10.0, 1.0), (1_000.0, 100.0)])]);
        assert!(drawn.contains("points=\"60.0,364.0 590.0,44.0\""), "{drawn}");
    }
}
