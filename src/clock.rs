//! From the kernel's boot clock to the time on the wall.

use jiff::Timestamp;

/// Converts boot-clock nanoseconds, the time in every record, to UTC.
#[derive(Debug)]
pub struct Clock {
    /// UTC minus boot clock, in nanoseconds.
    offset: i128,
}

/// The two clocks run alike but for steps of the wall clock. A smaller difference
/// than this is the error of the measurement: following it would give one process
/// two start times.
const STEP_NS: i128 = 1_000_000;

impl Clock {
    pub fn new() -> Self {
        Self { offset: measure_offset() }
    }

    /// Follows the wall clock if it was set since.
    pub fn follow(&mut self) {
        let offset = measure_offset();
        if (offset - self.offset).abs() > STEP_NS {
            self.offset = offset;
        }
    }

    /// The UTC time of a boot-clock time in nanoseconds.
    pub fn utc(&self, boot_ns: u64) -> Timestamp {
        // Out of range only for a machine that has been up for thousands of years.
        Timestamp::from_nanosecond(self.offset + i128::from(boot_ns)).unwrap_or(Timestamp::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Now, in nanoseconds on the boot clock (`bpf_ktime_get_boot_ns` in the kernel).
pub fn boot_now() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to. The call can't fail: every
    // kernel that runs this program has both clocks.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Reads the wall clock between two reads of the boot clock, and takes the try that
/// was interrupted least.
fn measure_offset() -> i128 {
    let measure = |_| {
        let before = read(libc::CLOCK_BOOTTIME);
        let wall = read(libc::CLOCK_REALTIME);
        let after = read(libc::CLOCK_BOOTTIME);
        (after - before, i128::from(wall) - i128::from(before.midpoint(after)))
    };
    (0..3).map(measure).min().map_or(0, |(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_on_the_boot_clock_is_now_on_the_wall() {
        let wall = Timestamp::now().as_nanosecond();
        let converted = Clock::new().utc(boot_now()).as_nanosecond();
        assert!((converted - wall).abs() < 1_000_000_000, "{converted} {wall}");
    }

    #[test]
    fn a_small_difference_is_not_followed_and_a_step_is() {
        let mut clock = Clock::new();
        let before = clock.offset;
        clock.follow();
        assert_eq!(clock.offset, before);

        clock.offset += 3_600_000_000_000;
        clock.follow();
        assert!((clock.offset - before).abs() < STEP_NS);
    }
}
