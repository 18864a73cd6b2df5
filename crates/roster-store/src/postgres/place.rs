//! Where a row lies in its organization's order: a hybrid clock.

use std::sync::atomic::{AtomicI64, Ordering};

use roster_directory::Timestamp;

/// Bits that count within a millisecond; the 43 above them hold milliseconds to the year 2248.
const COUNT_BITS: u32 = 20;

/// Hands out places, each higher than the one before.
#[derive(Default)]
pub(super) struct Places(AtomicI64);

impl Places {
    /// The place of something that happens at this moment, or, where the clock ran backwards, after what happened last.
    pub(super) fn next(&self, at: Timestamp) -> i64 {
        let now = at.as_millis().max(0) << COUNT_BITS;
        let next = |last: i64| Some(now.max(last + 1));
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(last) | Err(last) => now.max(last + 1),
        }
    }
}

/// The moment of a place: the `createdAt` of what lies there.
pub(super) fn moment(place: i64) -> Timestamp {
    Timestamp::from_millis(place >> COUNT_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_rise_whatever_the_clock_does() {
        let places = Places::default();
        let at = |millis| places.next(Timestamp::from_millis(millis));
        let (first, second, earlier, later) = (at(1_000), at(1_000), at(500), at(1_001));
        assert!(first < second && second < earlier && earlier < later);
        assert_eq!(
            [first, second, earlier, later].map(|place| moment(place).as_millis()),
            [1_000, 1_000, 1_000, 1_001]
        );
    }
}
