//! What the kernel could not deliver: `happened = reported + dropped + missed`.

use std::fmt;

/// Events lost. The totals of a run, or what came since the last report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// The map was full: a count (exact, but for one case in docs/reliability.md).
    pub dropped_execs: u64,
    pub dropped_exits: u64,
    /// The kernel skipped both of a tracepoint's programs: an upper bound.
    pub missed_execs_at_most: u64,
    pub missed_exits_at_most: u64,
}

impl Loss {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the map was full at some time.
    pub fn any_dropped(&self) -> bool {
        self.dropped_execs > 0 || self.dropped_exits > 0
    }

    /// Whether any exit was, or may have been, lost.
    pub fn any_exits(&self) -> bool {
        self.dropped_exits > 0 || self.missed_exits_at_most > 0
    }

    /// What was lost since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        // A bound is the smaller of two counts that are read one after the other, so it
        // may waver; it never takes back what it said.
        let grown = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            dropped_execs: grown(self.dropped_execs, earlier.dropped_execs),
            dropped_exits: grown(self.dropped_exits, earlier.dropped_exits),
            missed_execs_at_most: grown(self.missed_execs_at_most, earlier.missed_execs_at_most),
            missed_exits_at_most: grown(self.missed_exits_at_most, earlier.missed_exits_at_most),
        }
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
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_came_since() {
        let earlier = Loss { dropped_execs: 2, missed_exits_at_most: 5, ..Loss::default() };
        let now = Loss { dropped_execs: 7, missed_exits_at_most: 4, ..Loss::default() };
        let since = now.since(&earlier);
        assert_eq!(since, Loss { dropped_execs: 5, ..Loss::default() });
        assert!(since.any_dropped() && !since.is_none());
        assert!(now.since(&now).is_none());
    }
}
