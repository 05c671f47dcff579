//! The clocks of the system.

use std::fs;
use std::sync::OnceLock;

use crate::process::wall_clock::WallClock;

/// The two clocks run alike but for steps of the wall clock. A smaller difference
/// than this is the error of the measurement: following it would give one process
/// two start times.
const STEP_NS: i128 = 1_000_000;

/// How the wall clock stands to the boot clock now.
pub fn wall_clock() -> WallClock {
    WallClock::new(measure_offset())
}

/// Follows the wall clock if it was set since.
pub fn follow(clock: &mut WallClock) {
    let offset = measure_offset();
    if (offset - clock.offset).abs() > STEP_NS {
        clock.set(boot_now(), offset);
    }
}

/// Now, in nanoseconds on the boot clock (`bpf_ktime_get_boot_ns` in the kernel).
pub fn boot_now() -> u64 {
    let offset = boot_offset_ns(); // first: it may have to be read from a file
    read(libc::CLOCK_BOOTTIME).saturating_add_signed(-offset)
}

/// What a time namespace adds to the boot clock, here and in `/proc`, but not in BPF programs:
/// nanoseconds (time_namespaces(7)).
pub fn boot_offset_ns() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    *OFFSET.get_or_init(|| {
        // A kernel without time namespaces has no such files. That of the offsets is about
        // children: before Linux 6.1 a program may not be in the namespace that they will be in.
        let namespace = |name| fs::read_link(format!("/proc/self/ns/{name}")).ok();
        if namespace("time") != namespace("time_for_children") {
            return 0;
        }
        parse_offset(&fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default())
    })
}

/// The line `boottime SECONDS NANOSECONDS`.
fn parse_offset(offsets: &str) -> i64 {
    let line = offsets.lines().find_map(|line| line.strip_prefix("boottime"));
    let mut numbers = line.into_iter().flat_map(str::split_whitespace).map(str::parse::<i64>);
    let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
    number() * 1_000_000_000 + number()
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
        let before = boot_now();
        let wall = read(libc::CLOCK_REALTIME);
        let after = boot_now();
        (after - before, i128::from(wall) - i128::from(before.midpoint(after)))
    };
    (0..3).map(measure).min().map_or(0, |(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn now_on_the_boot_clock_is_now_on_the_wall() {
        let wall = Timestamp::now().as_nanosecond();
        let converted = wall_clock().utc(boot_now()).as_nanosecond();
        assert!((converted - wall).abs() < 1_000_000_000, "{converted} {wall}");
    }

    #[test]
    fn the_offset_of_a_time_namespace_is_read() {
        let offsets = "monotonic          -7         0\nboottime       -1000 500000000\n";
        assert_eq!(parse_offset(offsets), -999_500_000_000);
        assert_eq!(parse_offset(""), 0);
    }

    #[test]
    fn a_small_difference_is_not_followed_and_a_step_is() {
        let mut clock = wall_clock();
        let before = clock.offset;
        follow(&mut clock);
        assert_eq!(clock.offset, before);

        clock.offset += 3_600_000_000_000;
        follow(&mut clock);
        assert!((clock.offset - before).abs() < STEP_NS);
    }
}
