//! When to read the map: once a period, and sooner when it fills up.

use std::time::{Duration, Instant};

use crate::stop::Stop;

/// Beyond one part in so many of its capacity the map is read early. Far from full, so that the
/// reader has time; and few records at once take little memory, of the program and of CPU caches.
const EARLY: u64 = 16;

/// More events than one CPU makes in a second: with the smallest program, both CPUs of the
/// machine of docs/benchmarks.md made 40,000 together.
const EVENTS_OF_CPU: u64 = 30_000;

/// The longest sleep between two looks at how full the map is. Each wakes a CPU, which costs an
/// idle one some 50 µs; but a burst that goes on for longer leaves more records at once, beyond
/// the CPU's caches: with 250 ms, the BPF programs took a tenth more time, and memory a fifth.
pub const LONGEST_SLICE: Duration = Duration::from_millis(100);

/// The shortest one, when records come fast.
const SHORTEST_SLICE: Duration = Duration::from_millis(1);

/// The first read comes soon, so that a person sees that something happens.
const FIRST_READ: Duration = Duration::from_millis(50);

/// Why the sleep is over.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    Read,
    Stop,
}

/// The rhythm of the reads.
#[derive(Debug)]
pub struct Pace {
    started: Instant,
    period: Duration,
    end: Option<Instant>,
    due: Instant,
    slice: Duration,
    longest_slice: Duration,
    capacity: u64,
    taken: u64,
    fullest: u64,
}

impl Pace {
    /// Reads are at most `period` apart; the map holds `capacity` records; after
    /// `duration`, if given, it is time to stop.
    pub fn new(period: Duration, capacity: u32, duration: Option<Duration>) -> Self {
        let now = Instant::now();
        let longest_slice = longest_slice(capacity.into(), cpus());
        Self {
            started: now,
            period,
            end: duration.and_then(|duration| now.checked_add(duration)),
            due: now + period.min(FIRST_READ),
            slice: longest_slice,
            longest_slice,
            capacity: capacity.into(),
            taken: 0,
            fullest: 0,
        }
    }

    /// Records were taken out of the map.
    pub fn took(&mut self, records: usize) {
        self.taken += records as u64;
        self.fullest = self.fullest.max(records as u64).min(self.capacity);
    }

    /// The most records seen in the map at once.
    pub fn fullest(&self) -> u64 {
        self.fullest
    }

    /// How many records the map can hold.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How long it has been going.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sleeps until the map should be read, because the period is over or the map is
    /// filling up, or until the program should end. `inserted` tells how many
    /// records the kernel has put into the map so far, and must cost nothing.
    pub fn sleep(&mut self, stop: &Stop, mut inserted: impl FnMut() -> u64) -> Wake {
        let mut before = self.look(inserted());
        loop {
            let now = Instant::now();
            if self.end.is_some_and(|end| now >= end) {
                return Wake::Stop;
            }
            if now >= self.due || before * EARLY > self.capacity {
                // Not `due + period`: after a long read that would be in the past.
                self.due = now + self.period;
                return Wake::Read;
            }
            let wake = self.end.map_or(self.due, |end| end.min(self.due));
            if stop.wait(self.slice.min(wake - now)) {
                return Wake::Stop;
            }
            let after = self.look(inserted());
            self.adapt(after.saturating_sub(before));
            before = after;
        }
    }

    /// How many records are in the map.
    fn look(&mut self, inserted: u64) -> u64 {
        // The kernel counts after it inserts: a record may be taken before it is counted.
        let now = inserted.saturating_sub(self.taken).min(self.capacity);
        self.fullest = self.fullest.max(now);
        now
    }

    /// Sleeps shorter while a thirty-second of the map fills in one slice, longer after.
    fn adapt(&mut self, grown: u64) {
        self.slice = if grown * 2 * EARLY > self.capacity {
            (self.slice / 2).max(SHORTEST_SLICE)
        } else {
            (self.slice * 2).min(self.longest_slice)
        };
    }
}

fn cpus() -> u64 {
    // SAFETY: always sound; it can't fail for a name that every system has.
    unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }.unsigned_abs().max(1)
}

/// So long that even a storm on all CPUs that begins with it does not fill the map, unless that
/// is small for the machine.
fn longest_slice(capacity: u64, cpus: u64) -> Duration {
    let fills =
        Duration::from_secs(capacity) / u32::try_from(EVENTS_OF_CPU * cpus).unwrap_or(u32::MAX);
    fills.clamp(LONGEST_SLICE / 10, LONGEST_SLICE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_reads_when_the_period_is_over() {
        let stop = Stop::new();
        let mut pace = Pace::new(Duration::from_millis(10), 100, None);
        assert_eq!(pace.sleep(&stop, || 0), Wake::Read);
    }

    #[test]
    fn it_reads_early_when_the_map_fills_up() {
        let stop = Stop::new();
        let mut pace = Pace::new(HOUR, 100, None);
        assert_eq!(pace.sleep(&stop, || 0), Wake::Read, "the first read");
        let mut records = 0;
        let wake = pace.sleep(&stop, || {
            records += 1;
            records
        });
        assert_eq!(wake, Wake::Read);
        assert_eq!(records, 100 / EARLY + 1);
        assert_eq!(pace.fullest(), records);
    }

    #[test]
    fn it_stops_when_asked_and_at_the_end() {
        let stop = Stop::new();
        let mut pace = Pace::new(HOUR, 100, None);
        assert_eq!(pace.sleep(&stop, || 0), Wake::Read, "the first read");
        stop.ask();
        assert_eq!(pace.sleep(&stop, || 0), Wake::Stop);

        let mut pace = Pace::new(HOUR, 100, Some(Duration::from_millis(5)));
        assert_eq!(pace.sleep(&stop, || 0), Wake::Stop);
    }

    #[test]
    fn slices_get_short_in_a_storm_and_long_after_it() {
        let mut pace = Pace::new(HOUR, 100, None);
        for _ in 0..10 {
            pace.adapt(50);
        }
        assert_eq!(pace.slice, SHORTEST_SLICE);
        for _ in 0..10 {
            pace.adapt(0);
        }
        assert_eq!(pace.slice, pace.longest_slice);
    }

    #[test]
    fn a_storm_on_more_cpus_is_looked_at_more_often() {
        assert_eq!(longest_slice(16_384, 2), LONGEST_SLICE);
        assert_eq!(longest_slice(12_000, 8), Duration::from_millis(50));
        assert_eq!(longest_slice(10, 64), Duration::from_millis(10));
    }
}
