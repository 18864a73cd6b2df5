//! Where a row lies in its organization's order: a hybrid clock.

use roster_directory::Timestamp;

/// Bits that count within a millisecond; the 43 above them hold milliseconds to the year 2248.
const COUNT_BITS: u32 = 20;

/// The latest moment that has a place; what is later, by whatever clock, is placed there.
const LATEST: i64 = (1 << 43) - 2;

/// Hands out places, each higher than the one before.
#[derive(Default)]
pub(super) struct Places {
    last: i64,
}

impl Places {
    /// The place of something that happens at this moment, or, where the clock ran backwards, after what happened last.
    pub(super) fn next(&mut self, at: Timestamp) -> i64 {
        self.last = (at.as_millis().clamp(0, LATEST) << COUNT_BITS).max(self.following());
        self.last
    }

    /// Below it none is handed out any more.
    pub(super) fn following(&self) -> i64 {
        self.last + 1
    }

    /// Hands out none below this any more. Whether that alters anything.
    pub(super) fn start_at(&mut self, place: i64) -> bool {
        let alters = place > self.following();
        self.last = self.last.max(place - 1);
        alters
    }
}

/// The moment of a place: the `createdAt` of what lies there.
pub(super) fn moment(place: i64) -> Timestamp {
    Timestamp::from_millis(place >> COUNT_BITS)
}

/// The first place of a moment.
pub(super) fn first_of(at: i64) -> i64 {
    at.saturating_mul(1 << COUNT_BITS)
}

/// Hands out places for what happened before, in its order.
#[derive(Default)]
pub(super) struct Kept {
    next: i64,
}

impl Kept {
    /// The place of something of exactly this moment; `None` if it would get another's.
    pub(super) fn next(&mut self, at: i64) -> Option<i64> {
        let place = self.after(at);
        (place >> COUNT_BITS == at).then_some(place)
    }

    /// A place after those before, of this moment if possible.
    pub(super) fn after(&mut self, at: i64) -> i64 {
        let place = self.next.max(at.checked_mul(1 << COUNT_BITS).unwrap_or(i64::MIN));
        self.next = place + 1;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_rise_whatever_the_clock_does() {
        let mut places = Places::default();
        let mut at = |millis| places.next(Timestamp::from_millis(millis));
        let (first, second, earlier, later) = (at(1_000), at(1_000), at(500), at(1_001));
        assert!(first < second && second < earlier && earlier < later);
        assert_eq!(
            [first, second, earlier, later].map(|place| moment(place).as_millis()),
            [1_000, 1_000, 1_000, 1_001]
        );
    }
    #[test]
    fn what_happened_before_keeps_its_moment_or_gets_no_place() {
        let mut kept = Kept::default();
        let places = [5, 5, 7].map(|at| kept.next(at).expect("a place"));
        assert_eq!(places, [5 << 20, (5 << 20) + 1, 7 << 20]);
        assert_eq!(kept.next(6), None, "it would be after 7");
        assert_eq!(Kept::default().next(-1), None, "no place is before 1970");
        let mut crowd = Kept::default();
        assert!((0..1 << 20).all(|_| crowd.next(3).is_some()));
        assert_eq!(crowd.next(3), None);
        assert_eq!(kept.next(i64::MAX), None);
    }
}
