//! From the kernel's boot clock to the time on the wall.

use jiff::Timestamp;

/// In nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// So many settings of the wall clock are remembered.
const STEPS: usize = 8;

/// Converts boot-clock nanoseconds, the time in every record, to what the wall clock showed then.
///
/// The start of a process stays the same time when the clock is set later: programs join on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock {
    /// UTC minus boot clock, in nanoseconds.
    pub offset: i128,
    /// What it was before, the newest first.
    earlier: [Earlier; STEPS],
}

/// An offset, and the boot-clock time at which another took its place; 0 where there was none.
#[derive(Debug, Clone, Copy, Default)]
struct Earlier {
    until: u64,
    offset: i128,
}

impl WallClock {
    pub fn new(offset: i128) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Takes another offset for all that happens from a boot-clock time on.
    pub fn set(&mut self, from: u64, offset: i128) {
        self.earlier.rotate_right(1);
        self.earlier[0] = Earlier { until: from, offset: self.offset };
        self.offset = offset;
    }

    /// The UTC time of a boot-clock time in nanoseconds.
    pub fn utc(&self, boot_ns: u64) -> Timestamp {
        let earlier = self.earlier.iter().take_while(|earlier| boot_ns < earlier.until).last();
        let offset = earlier.map_or(self.offset, |earlier| earlier.offset);
        let ns = offset + i128::from(boot_ns);
        // Up to the year 2262, it goes without a division of 128 bits.
        let time = i64::try_from(ns).map(|ns| Timestamp::new(ns / SECOND, (ns % SECOND) as i32));
        // Out of range only for a machine that has been up for thousands of years.
        time.unwrap_or_else(|_| Timestamp::from_nanosecond(ns)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_what_the_clock_showed_then_however_often_it_is_set_later() {
        let mut clock = WallClock::new(1_000);
        let at = |clock: &WallClock, boot_ns| clock.utc(boot_ns).as_nanosecond();
        assert_eq!(at(&clock, 5), 1_005);
        clock.set(10, 5_000);
        clock.set(20, 300);
        for (boot_ns, expected) in [(5, 1_005), (10, 5_010), (19, 5_019), (20, 320)] {
            assert_eq!(at(&clock, boot_ns), expected);
        }
        // Beyond so many, the oldest that is known stands for what was before it.
        for step in 0..STEPS as u64 {
            clock.set(30 + step, 0);
        }
        assert_eq!(at(&clock, 5), 305);
    }
}
