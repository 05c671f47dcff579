//! The read schedule: once a period, and sooner when the map fills up.

use std::time::{Duration, Instant};

/// A read is due when about one part in so many of the map has filled up. Few records at once
/// take little memory, of the program and of CPU caches (ARCHITECTURE.md, "When the map is read").
const READ_AT: u64 = 32;

/// If one part in so many has filled up all the same, the kernel wakes the reader. Waking costs
/// the process that does it some 80 µs on a virtual machine, so this is for surges only.
const WAKE_AT: u64 = 16;

/// Reads are at least so far apart, unless the kernel wakes the reader.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The first read comes soon, so that a person sees that something happens: when the first records
/// have just settled (ARCHITECTURE.md, "A record waits 20 ms").
const FIRST_READ: Duration = Duration::from_millis(22);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing for so long, unless the kernel wakes the reader.
    Sleep(Duration),
    Read,
    Stop,
}

/// When to read the map.
#[derive(Debug)]
pub struct Schedule {
    period: Duration,
    end: Option<Instant>,
    last_read: Instant,
    due: Instant,
    capacity: u64,
    taken: u64,
    fullest: u64,
}

impl Schedule {
    /// Reads are at most `period` apart; the map holds `capacity` records; after
    /// `duration`, if given, it is time to stop.
    pub fn new(period: Duration, capacity: u32, duration: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            period,
            end: duration.and_then(|duration| now.checked_add(duration)),
            last_read: now,
            due: now + period.min(FIRST_READ),
            capacity: capacity.into(),
            taken: 0,
            fullest: 0,
        }
    }

    /// The most records seen in the map at once.
    pub fn fullest(&self) -> u64 {
        self.fullest
    }

    /// There was no room for a record: the map was full, maybe between two looks.
    pub fn was_full(&mut self) {
        self.fullest = self.capacity;
    }

    /// How many records all reads have taken out of the map.
    pub fn taken_so_far(&self) -> u64 {
        self.taken
    }

    /// How many records the map can hold.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The period, but for what a timer may be early.
    pub fn nearly_period(&self) -> Duration {
        self.period.mul_f64(0.95)
    }

    /// The kernel is to wake the reader when it has inserted so many records in all.
    pub fn wake_at(&self) -> u64 {
        self.taken + self.part(WAKE_AT)
    }

    /// What to do, when the kernel has put `inserted` records into the map so far.
    pub fn next(&mut self, inserted: u64, now: Instant) -> Next {
        // The kernel counts after it inserts: a record may be taken before it is counted.
        let records = inserted.saturating_sub(self.taken).min(self.capacity);
        self.fullest = self.fullest.max(records);
        if self.end.is_some_and(|end| now >= end) {
            Next::Stop
        } else if now >= self.due || records >= self.part(WAKE_AT) {
            Next::Read
        } else {
            Next::Sleep(self.end.map_or(self.due, |end| end.min(self.due)) - now)
        }
    }

    /// A read has taken so many records out of the map. The next one is due after the period,
    /// or when the map will have filled up to the early read, if it goes on like this.
    pub fn taken(&mut self, records: usize, now: Instant) {
        let records = records as u64;
        self.taken += records;
        self.fullest = self.fullest.max(records).min(self.capacity);
        let parts = self.part(READ_AT) as f64 / records.max(1) as f64;
        let early = (now - self.last_read).mul_f64(parts).max(SHORTEST_SLEEP);
        self.last_read = now;
        self.due = now + self.period.min(early);
    }

    fn part(&self, of: u64) -> u64 {
        (self.capacity / of).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    /// A schedule for a map of 3200 records, whose early read is one of 100; and its start.
    fn schedule(period: Duration, duration: Option<Duration>) -> (Schedule, Instant) {
        let schedule = Schedule::new(period, 3200, duration);
        let start = schedule.last_read;
        (schedule, start)
    }

    #[test]
    fn it_reads_soon_and_then_once_a_period() {
        let (mut calm, start) = schedule(HOUR, None);
        assert_eq!(calm.next(0, start), Next::Sleep(FIRST_READ));
        let first = start + FIRST_READ;
        assert_eq!(calm.next(0, first), Next::Read);
        calm.taken(0, first);
        assert_eq!(calm.next(0, first), Next::Sleep(FIRST_READ * 100));
        calm.taken(0, first + HOUR);
        assert_eq!(calm.next(0, first + HOUR), Next::Sleep(HOUR));
        assert_eq!(calm.next(0, first + 2 * HOUR), Next::Read);
    }

    #[test]
    fn in_a_storm_it_reads_when_the_early_read_has_come_together() {
        let (mut storm, start) = schedule(HOUR, None);
        storm.taken(400, start + SECOND);
        assert_eq!(storm.next(400, start + SECOND), Next::Sleep(SECOND / 4));
        // Ten times as many: no more than one read a millisecond.
        storm.taken(500_000, start + 2 * SECOND);
        assert_eq!(storm.next(500_400, start + 2 * SECOND), Next::Sleep(MS));
        // It is over: not at once, but soon, the period counts again.
        let mut now = start + 2 * SECOND;
        for sleep in [100 * MS, 10 * SECOND, 1000 * SECOND, HOUR] {
            now += storm.due - now;
            storm.taken(0, now);
            assert_eq!(storm.next(500_400, now), Next::Sleep(sleep));
        }
    }

    #[test]
    fn the_kernel_wakes_it_when_the_map_fills_up_all_the_same() {
        let (mut surge, start) = schedule(HOUR, None);
        surge.taken(1000, start);
        assert_eq!(surge.wake_at(), 1200);
        assert!(matches!(surge.next(1199, start), Next::Sleep(_)));
        assert_eq!(surge.next(1200, start), Next::Read);
        assert_eq!(surge.fullest(), 1000);
        surge.next(2500, start);
        assert_eq!(surge.fullest(), 1500);
        surge.next(10_000, start);
        assert_eq!(surge.fullest(), 3200);
    }

    #[test]
    fn the_smallest_map_is_read_at_every_record() {
        let mut smallest = Schedule::new(HOUR, 1, None);
        let start = smallest.last_read;
        assert_eq!(smallest.wake_at(), 1);
        assert!(matches!(smallest.next(0, start), Next::Sleep(_)));
        assert_eq!(smallest.next(1, start), Next::Read);
    }

    #[test]
    fn it_stops_at_the_end() {
        let (mut over, start) = schedule(HOUR, Some(Duration::ZERO));
        assert_eq!(over.next(0, start), Next::Stop);
        let (mut soon, start) = schedule(HOUR, Some(5 * MS));
        assert_eq!(soon.next(0, start), Next::Sleep(5 * MS));
        assert_eq!(soon.next(0, start + 5 * MS), Next::Stop);
    }
}
