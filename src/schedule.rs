//! When to read the map: once a period, and sooner when it fills up.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Beyond one part in so many of its capacity the map is read early. Far from full, so that the
/// reader has time; and few records at once take little memory, of the program and of CPU caches.
const EARLY: u64 = 32;

/// How soon, in a storm, to look again at how full the map is. A longer time is left to the
/// kernel's bell, which costs a process that rings it some 80 µs in a virtual machine (it wakes
/// an idle CPU); a look costs it nothing.
const SLICE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(250);

/// When one seems to begin.
const FIRST_SLICE: Duration = Duration::from_millis(10);

/// In a storm, the bell is for a reader that comes too late.
const LATE: u64 = 8;

/// The first read comes soon, so that a person sees that something happens.
const FIRST_READ: Duration = Duration::from_millis(50);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing for so long, unless the bell rings.
    Sleep(Duration),
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
    /// When it last looked, and how many records were inserted by then.
    looked: (Instant, u64),
    /// In a storm, how long until the next look.
    slice: Option<Duration>,
    capacity: u64,
    taken: u64,
    fullest: u64,
}

impl Pace {
    /// Reads are at most `period` apart; the map holds `capacity` records; after
    /// `duration`, if given, it is time to stop.
    pub fn new(period: Duration, capacity: u32, duration: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            period,
            end: duration.and_then(|duration| now.checked_add(duration)),
            due: now + period.min(FIRST_READ),
            looked: (now, 0),
            slice: None,
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

    /// The bell is to ring when the kernel has inserted so many records in all.
    pub fn ring_at(&self) -> u64 {
        let part = if self.slice.is_some() { LATE } else { EARLY };
        self.taken + (self.capacity / part).max(1)
    }

    /// What to do, when the kernel has put `inserted` records into the map so far.
    pub fn next(&mut self, inserted: u64) -> Next {
        // The kernel counts after it inserts: a record may be taken before it is counted.
        let records = inserted.saturating_sub(self.taken).min(self.capacity);
        self.fullest = self.fullest.max(records);
        let now = Instant::now();
        self.look(now, inserted);
        if self.end.is_some_and(|end| now >= end) {
            return Next::Stop;
        }
        if now >= self.due || records >= self.early() {
            // Not `due + period`: after a long read that would be in the past.
            self.due = now + self.period;
            return Next::Read;
        }
        let time = self.end.map_or(self.due, |end| end.min(self.due)) - now;
        Next::Sleep(self.slice.map_or(time, |slice| slice.min(time)))
    }

    /// So many records are worth an early read.
    fn early(&self) -> u64 {
        (self.capacity / EARLY).max(1)
    }

    /// Decides on the next look: when half an early read has come together, if it goes on like
    /// this. If that takes long, there is no storm.
    fn look(&mut self, now: Instant, inserted: u64) {
        let (before, inserted_before) = self.looked;
        let time = now - before;
        let grown = inserted.saturating_sub(inserted_before).max(1);
        if time < self.slice.unwrap_or(*SLICE.start()) / 2 && grown < self.early() {
            return; // too little to tell
        }
        let slice = time.mul_f64(self.early() as f64 / 2.0 / grown as f64);
        let longest = match self.slice {
            Some(slice) => slice * 2,
            // It was calm, and now the bell has rung.
            None if grown >= self.early() => FIRST_SLICE,
            None => Duration::MAX,
        };
        let slice = slice.min(longest);
        self.slice = (slice <= *SLICE.end()).then(|| slice.max(*SLICE.start()));
        self.looked = (now, inserted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_reads_when_the_period_is_over() {
        let mut pace = Pace::new(Duration::ZERO, 100, None);
        assert_eq!(pace.next(0), Next::Read);

        let mut pace = Pace::new(HOUR, 100, None);
        let first = pace.next(0);
        assert!(matches!(first, Next::Sleep(time) if time <= FIRST_READ), "{first:?}");
        pace.due = Instant::now();
        assert_eq!(pace.next(0), Next::Read);
        let second = pace.next(0);
        assert!(matches!(second, Next::Sleep(time) if time > HOUR / 2), "{second:?}");
    }

    #[test]
    fn it_reads_early_when_the_map_fills_up() {
        let mut pace = Pace::new(HOUR, 100 * EARLY as u32, None);
        pace.took(1000);
        assert_eq!(pace.ring_at(), 1100);
        assert!(matches!(pace.next(1099), Next::Sleep(_)));
        assert_eq!(pace.next(1100), Next::Read);
        assert_eq!(pace.fullest(), 1000);
        pace.next(2500);
        assert_eq!(pace.fullest(), 1500);
    }

    #[test]
    fn the_smallest_map_is_read_at_every_record() {
        let mut pace = Pace::new(HOUR, 1, None);
        assert_eq!(pace.ring_at(), 1);
        assert!(matches!(pace.next(0), Next::Sleep(_)));
        assert_eq!(pace.next(1), Next::Read);
    }

    #[test]
    fn it_stops_at_the_end() {
        let mut pace = Pace::new(HOUR, 100, Some(Duration::ZERO));
        assert_eq!(pace.next(0), Next::Stop);
        let mut pace = Pace::new(HOUR, 100, Some(5 * MS));
        let next = pace.next(0);
        assert!(matches!(next, Next::Sleep(time) if time <= 5 * MS), "{next:?}");
    }

    #[test]
    fn in_a_storm_it_looks_by_itself_and_before_the_bell() {
        let mut pace = Pace::new(HOUR, 100 * EARLY as u32, None);
        let start = pace.looked.0;
        // An early read is 100 records: half of them in 50 ms.
        pace.look(start + 10 * MS, 10);
        assert_eq!(pace.slice, Some(50 * MS));
        assert_eq!(pace.ring_at(), 100 * EARLY / LATE);
        assert!(matches!(pace.next(10), Next::Sleep(time) if time <= 50 * MS));
        // Too fast for it, and too little to tell.
        pace.look(start + 20 * MS, 100_000);
        assert_eq!(pace.slice, Some(MS));
        pace.look(start + 20 * MS + MS / 3, 100_001);
        assert_eq!(pace.slice, Some(MS));
        // Calm again, it seems: not at once.
        for n in 1..8 {
            pace.look(start + 20 * MS + (MS * (1 << n)), 100_000);
            assert_eq!(pace.slice, Some(MS * (1 << n)));
        }
        pace.look(start + 300 * MS, 100_000);
        assert_eq!(pace.slice, None);
        assert_eq!(pace.ring_at(), 100);
        // Perhaps the beginning of another one.
        pace.look(start + HOUR, 100_100);
        assert_eq!(pace.slice, Some(FIRST_SLICE));
    }
}
