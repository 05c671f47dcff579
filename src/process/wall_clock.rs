//! From the kernel's boot clock to the time on the wall.

use jiff::Timestamp;

/// Converts boot-clock nanoseconds, the time in every record, to UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock {
    /// UTC minus boot clock, in nanoseconds.
    pub offset: i128,
}

impl WallClock {
    /// The UTC time of a boot-clock time in nanoseconds.
    pub fn utc(&self, boot_ns: u64) -> Timestamp {
        // Out of range only for a machine that has been up for thousands of years.
        Timestamp::from_nanosecond(self.offset + i128::from(boot_ns)).unwrap_or(Timestamp::MAX)
    }
}
