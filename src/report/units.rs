//! Amounts as people write them, each with its unit.

use std::fmt::Write as _;

use crate::process::wait_status::{Outcome, signal_name};

/// An amount of memory in at most nine columns: `812 KiB`, `64.0 MiB`, `1.5 GiB`.
pub fn format_memory(kib: u64) -> String {
    match kib {
        0..1024 => format!("{kib} KiB"),
        1024..1_048_576 => format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024),
        _ => format!("{}.{} GiB", kib / 1_048_576, kib % 1_048_576 * 10 / 1_048_576),
    }
}

/// A duration in at most eight columns, with its unit: `812 µs`, `2.1 ms`, `3.0 s`, `1m 05s`,
/// `2h 05m`, `3d 04h`.
pub fn format_duration(ns: u64) -> String {
    let mut text = String::new();
    push_duration(&mut text, ns);
    text
}

/// Adds a duration to a text.
pub fn push_duration(text: &mut String, ns: u64) {
    let (us, ms, s) = (ns / 1_000, ns / 1_000_000, ns / 1_000_000_000);
    let (amount, tenths, unit) = match ns {
        0..1_000_000 => (us, None, " µs"),
        1_000_000..10_000_000 => (ms, Some(us / 100 % 10), " ms"),
        10_000_000..1_000_000_000 => (ms, None, " ms"),
        1_000_000_000..60_000_000_000 => (s, Some(ms / 100 % 10), " s"),
        _ => return push_long_duration(text, s),
    };
    push_number(text, amount);
    if let Some(tenths) = tenths {
        text.push('.');
        push_number(text, tenths);
    }
    text.push_str(unit);
}

fn push_long_duration(text: &mut String, s: u64) {
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    // Writing to a String does not fail.
    let _ = match (d, h) {
        (0, 0) => write!(text, "{m}m {:02}s", s % 60),
        (0, _) => write!(text, "{h}h {:02}m", m % 60),
        _ => write!(text, "{d}d {:02}h", h % 24),
    };
}

/// Adds a number to a text. It takes a fifth of what `write!` takes.
pub fn push_number(text: &mut String, number: impl itoa::Integer) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// An exit code, the name of a signal, or `?` for an exit that was lost.
pub fn format_outcome(outcome: Option<Outcome>) -> String {
    let mut text = String::new();
    push_outcome(&mut text, outcome);
    text
}

/// Adds the same to a text.
pub fn push_outcome(text: &mut String, outcome: Option<Outcome>) {
    match outcome {
        Some(Outcome::Exited(code)) => push_number(text, code),
        Some(Outcome::Signaled { signal, .. }) => text.push_str(&signal_name(signal)),
        None => text.push('?'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_fit_their_column() {
        for (ns, text) in [
            (0, "0 µs"),
            (812_345, "812 µs"),
            (2_150_000, "2.1 ms"),
            (21_500_000, "21 ms"),
            (3_049_000_000, "3.0 s"),
            (59_999_999_999, "59.9 s"),
            (65_000_000_000, "1m 05s"),
            (7_500_000_000_000, "2h 05m"),
            (273_600_000_000_000, "3d 04h"),
        ] {
            assert_eq!(format_duration(ns), text);
            assert!(text.chars().count() <= 8);
        }
    }

    #[test]
    fn memory_has_a_unit() {
        assert_eq!(format_memory(812), "812 KiB");
        assert_eq!(format_memory(65_536), "64.0 MiB");
        assert_eq!(format_memory(1_572_864), "1.5 GiB");
    }
}
