//! What the kernel could not deliver: `happened = reported + dropped + missed`.

use std::fmt;

use serde::Serialize;

/// Events lost. The totals of a run, or what came since the last report. The names are those of
/// the JSON fields: docs/json.md.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The map was full: a count (exact, but for one case in docs/reliability.md).
    pub dropped_execs: u64,
    pub dropped_exits: u64,
    /// The kernel skipped both of a tracepoint's programs: an upper bound.
    pub missed_execs_at_most: u64,
    pub missed_exits_at_most: u64,
    /// Processes that are not followed, with all that they start, in the same two ways: the map of
    /// the followed was full, or the kernel skipped both programs.
    pub dropped_forks: u64,
    pub missed_forks_at_most: u64,
}

impl Loss {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the map was full at some time.
    pub fn any_dropped(&self) -> bool {
        self.dropped_execs > 0 || self.dropped_exits > 0 || self.dropped_forks > 0
    }

    /// Whether any exit was, or may have been, lost.
    pub fn any_exits(&self) -> bool {
        self.dropped_exits > 0 || self.missed_exits_at_most > 0
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// How many execs and exits may have been lost.
    pub fn events_at_most(&self) -> u64 {
        self.dropped_execs
            + self.dropped_exits
            + self.missed_execs_at_most
            + self.missed_exits_at_most
    }

    fn each(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            dropped_execs: f(self.dropped_execs, other.dropped_execs),
            dropped_exits: f(self.dropped_exits, other.dropped_exits),
            missed_execs_at_most: f(self.missed_execs_at_most, other.missed_execs_at_most),
            missed_exits_at_most: f(self.missed_exits_at_most, other.missed_exits_at_most),
            dropped_forks: f(self.dropped_forks, other.dropped_forks),
            missed_forks_at_most: f(self.missed_forks_at_most, other.missed_forks_at_most),
        }
    }
}

/// The totals of a watch. They never shrink, and what they grow by adds up to them.
#[derive(Debug, Default)]
pub struct LossTotals(Loss);

impl LossTotals {
    /// Takes in what the kernel counts now, and tells what was lost since the last time.
    pub fn grow_to(&mut self, now: Loss) -> Loss {
        // A bound is the smaller of two counts that are read one after the other, so it may
        // waver; it never takes back what it said.
        let total = self.0.each(now, u64::max);
        let since = total.each(self.0, u64::wrapping_sub);
        self.0 = total;
        since
    }

    pub fn total(&self) -> Loss {
        self.0
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dropped {} execs, {} exits; missed at most {} execs, {} exits",
            self.dropped_execs,
            self.dropped_exits,
            self.missed_execs_at_most,
            self.missed_exits_at_most
        )?;
        match (self.dropped_forks, self.missed_forks_at_most) {
            (0, 0) => Ok(()),
            (dropped, missed) => {
                write!(f, "; not followed: {dropped} processes and at most {missed} more")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_came_since() {
        let mut totals = LossTotals::default();
        let earlier = Loss { dropped_execs: 2, missed_exits_at_most: 5, ..Loss::default() };
        assert_eq!(totals.grow_to(earlier), earlier);
        let now = Loss { dropped_execs: 7, missed_exits_at_most: 4, ..Loss::default() };
        let since = totals.grow_to(now);
        assert_eq!(since, Loss { dropped_execs: 5, ..Loss::default() });
        assert_eq!(totals.total(), Loss { missed_exits_at_most: 5, ..now });
    }
}
