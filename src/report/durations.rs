//! Durations of any number in little memory.

/// So many buckets share each doubling of the time: a percentile is exact to 1/32.
const PARTS: u64 = 16;

/// So many buckets are kept, 8 bytes each. What has no place in them counts with its neighbour.
const MOST_BUCKETS: usize = 128;

/// How many durations there were of each length.
#[derive(Debug, Clone, Default)]
pub struct Durations {
    /// Those that are not empty, the shortest first: most commands have few.
    buckets: Vec<(u16, u32)>,
    count: u64,
}

impl Durations {
    /// Takes in a duration in nanoseconds.
    pub fn add(&mut self, ns: u64) {
        let bucket = bucket_of(ns);
        match self.buckets.binary_search_by_key(&bucket, |&(bucket, _)| bucket) {
            Err(at) if self.buckets.len() < MOST_BUCKETS => self.buckets.insert(at, (bucket, 1)),
            Ok(at) | Err(at) => {
                let count = &mut self.buckets[at.min(MOST_BUCKETS - 1)].1;
                *count = count.saturating_add(1);
            }
        }
        self.count += 1;
    }

    /// The duration in nanoseconds that so many percent do not exceed. `None`: there are none.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let reaches = |&&(_, count): &&(u16, u32)| {
            seen += u64::from(count);
            seen >= rank
        };
        self.buckets.iter().find(reaches).map(|&(bucket, _)| middle_of(bucket))
    }
}

fn bucket_of(ns: u64) -> u16 {
    let doublings = u64::from(ns.max(PARTS).ilog2() - PARTS.ilog2());
    // At most 60 * 16 + 31.
    (doublings * PARTS + (ns >> doublings)) as u16
}

fn middle_of(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let doublings = (bucket / PARTS).saturating_sub(1);
    let lowest = (bucket - doublings * PARTS) << doublings;
    lowest + (1 << doublings) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_a_bucket_near_it() {
        for ns in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) + (1 << bit) / 3]).chain([0]) {
            let middle = middle_of(bucket_of(ns));
            assert!(middle.abs_diff(ns) <= ns / 32, "{ns} becomes {middle}");
        }
        assert!(bucket_of(u64::MAX) < 1000);
    }

    #[test]
    fn percentiles_are_those_of_all_durations() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50), None);
        (1..=1000).for_each(|ms| durations.add(ms * 1_000_000));
        for (percent, ms) in [(50, 500), (99, 990), (100, 1000)] {
            let found = durations.percentile(percent).expect("some") / 1_000_000;
            assert!(found.abs_diff(ms) <= ms / 32, "{percent} %: {found} ms");
        }
    }

    #[test]
    fn one_slow_one_among_many_is_seen_at_the_end_alone() {
        let mut durations = Durations::default();
        (0..99).for_each(|_| durations.add(1_000_000));
        durations.add(60_000_000_000);
        let at = |percent| durations.percentile(percent).map(|ns| (ns as f64 / 2e9).round());
        assert_eq!((at(99), at(100)), (Some(0.0), Some(30.0)));
    }

    #[test]
    fn however_different_they_are_they_take_little_memory() {
        let mut durations = Durations::default();
        (0..60)
            .flat_map(|bit| (16..32).map(move |part| part << bit))
            .for_each(|ns| durations.add(ns));
        assert_eq!((durations.buckets.len(), durations.count), (MOST_BUCKETS, 60 * 16));
        assert!(durations.percentile(99).is_some());
    }
}
