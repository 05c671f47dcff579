//! Times as places on the picture, and round numbers on its axis.

use std::fmt;

use crate::process::tree::Tree;

/// A length, in tenths of the units that the picture counts in: as exact as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tenths(pub u32);

/// How far from its left edge the picture's times begin.
pub const LEFT: Tenths = Tenths(200);
/// How wide its times are.
pub const WIDTH: Tenths = Tenths(9_600);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, tenth) => write!(f, "{whole}.{tenth}"),
        }
    }
}

/// From times to places.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    begin: u64,
    /// Nanoseconds, at least 1.
    span: u64,
}

impl Scale {
    pub fn new(tree: &Tree) -> Self {
        Self { begin: tree.begin, span: tree.end.saturating_sub(tree.begin).max(1) }
    }

    /// Where a boot-clock time is.
    pub fn x(&self, time: u64) -> Tenths {
        let since = u128::from(time.saturating_sub(self.begin).min(self.span));
        let span = u128::from(self.span);
        let tenths = (since * u128::from(WIDTH.0) + span / 2) / span;
        Tenths(LEFT.0 + u32::try_from(tenths).unwrap_or(WIDTH.0))
    }

    /// The same, exactly, in units from where times begin.
    pub fn units(&self, time: u64) -> f64 {
        self.since_begin(time).min(self.span) as f64 / self.span as f64 * f64::from(WIDTH.0 / 10)
    }

    /// Nanoseconds since the beginning of the picture.
    pub fn since_begin(&self, time: u64) -> u64 {
        time.saturating_sub(self.begin)
    }

    /// The round times on the axis, each with its text.
    pub fn ticks(&self) -> Vec<(Tenths, String)> {
        let step = round_step(self.span / MOST_TICKS);
        let (unit, name) = match (step, self.span) {
            (DAY.., _) => (DAY, "d"),
            (HOUR.., _) => (HOUR, "h"),
            (MINUTE.., _) => (MINUTE, "min"),
            (_, SECOND..) => (SECOND, "s"),
            (_, 1_000_000..) => (1_000_000, "ms"),
            (_, 1_000..) => (1_000, "µs"),
            _ => (1, "ns"),
        };
        (0..=self.span / step)
            .map(|i| {
                let time = i * step;
                let text = match time {
                    0 => "0".into(),
                    // As short as it can be told: 0.2, not 0.200.
                    _ => format!("{} {name}", time as f64 / unit as f64),
                };
                (self.x(self.begin + time), text)
            })
            .collect()
    }
}

const MOST_TICKS: u64 = 10;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The next larger time that people count in: 1, 2 or 5 of a power of ten below a minute, and
/// from there on what divides an hour, or a day, without a rest.
fn round_step(ns: u64) -> u64 {
    let tens = |powers: u32| (0..powers).flat_map(|power| [1, 2, 5].map(|d| d * 10_u64.pow(power)));
    let of_seconds = tens(11).take_while(|&step| step <= 20 * SECOND);
    let of_hours = [1, 2, 5, 10, 20, 60, 120, 360, 720].map(|minutes| minutes * MINUTE);
    let of_days = tens(6).map(|days| days.saturating_mul(DAY));
    of_seconds.chain(of_hours).chain(of_days).find(|&step| step > ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(span: u64) -> Scale {
        Scale::new(&Tree { begin: 1_000, end: 1_000 + span, ..Tree::default() })
    }

    #[test]
    fn times_are_round_and_have_a_unit() {
        for (span, second, last) in [
            (0, "1 ns", "1 ns"),
            (7_300, "1 µs", "7 µs"),
            (450_000_000, "50 ms", "450 ms"),
            (1_500_000_000, "0.2 s", "1.4 s"),
            (8_310_000_000, "1 s", "8 s"),
            (90 * SECOND, "10 s", "90 s"),
            (9 * MINUTE, "1 min", "9 min"),
            (3 * HOUR, "20 min", "180 min"),
            (30 * HOUR, "6 h", "30 h"),
            (45 * DAY, "5 d", "45 d"),
            (u64::MAX - 1_000, "50000 d", "200000 d"),
        ] {
            let ticks = scale(span).ticks();
            assert_eq!((ticks[1].1.as_str(), ticks[ticks.len() - 1].1.as_str()), (second, last));
            assert!((2..=11).contains(&ticks.len()), "{ticks:?}");
        }
    }

    #[test]
    fn times_have_their_place_to_a_tenth() {
        let scale = scale(960_000);
        let places = [0, 1_000, 2_000, 1_500 + 1_000, 961_000, u64::MAX].map(|t| scale.x(t));
        let tenths = [200, 200, 210, 215, 9_800, 9_800].map(Tenths);
        assert_eq!(places, tenths);
        assert_eq!(
            (Tenths(10).to_string(), Tenths(12_345).to_string()),
            ("1".into(), "1234.5".into())
        );
    }
}
