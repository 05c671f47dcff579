//! What the values of options mean, and what is wrong with one that means nothing.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use nix::unistd::User;
use regex::bytes::Regex;

use super::Saved;
use crate::process::wait_status::signal_name;
use crate::report::{Format, Picture};
use crate::system::cgroups;

pub fn saved(text: &str) -> Result<Saved, String> {
    let path = PathBuf::from(text);
    let picture = match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Picture::Svg,
        Some("pftrace") => Picture::Pftrace,
        Some("jsonl") => Picture::Stream(Format::Json),
        Some("txt") => Picture::Stream(Format::Table),
        _ => return Err("its name must end in .svg, .pftrace, .jsonl or .txt".into()),
    };
    Ok(Saved { path, picture })
}

pub fn period(text: &str) -> Result<Duration, String> {
    let period = span(text)?;
    if (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&period) {
        Ok(period)
    } else {
        Err("must be from 10ms to 1h".into())
    }
}

pub fn duration(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("must be more than 0".into()),
        duration => Ok(duration),
    }
}

/// A number of seconds, or numbers with units.
pub fn span(text: &str) -> Result<Duration, String> {
    const NO_SPAN: &str = "not a time span such as 5, 0.5, 250ms or 1h30m";
    const NEGATIVE: &str = "a time span can't be negative";
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| match seconds {
            ..0.0 => NEGATIVE.into(),
            _ if seconds.is_finite() => "too long".into(),
            _ => NO_SPAN.into(),
        });
    }
    let span: Span = text.parse().map_err(|_| NO_SPAN)?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "a month or a year has no fixed length")?;
    Duration::try_from(duration).map_err(|_| NEGATIVE.into())
}

pub fn max_entries(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("must be a number from 1 to {}", u32::MAX))
}

pub fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        // The lines before show the pattern, and point to the place.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("not a regular expression: {why}")
    })
}

/// `PID_MAX_LIMIT` of the kernel's include/linux/threads.h, for 64-bit machines.
const PID_MAX: u32 = 4 << 20;

pub fn pid(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("no process has pid 0".into()),
        Ok(pid) if pid < PID_MAX => Ok(pid),
        Err(_) if !is_number(text) => Err("not a pid".into()),
        _ => Err("no process has such a pid: they end at 4194303".into()),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub fn user(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(u32::MAX) => return Err("no user has this number".into()), // (uid_t) -1
        Ok(uid) => return Ok(uid),
        Err(_) if is_number(text) => return Err("no user has such a number".into()),
        Err(_) => {}
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err("there is no such user".into()),
        Err(error) => Err(format!("the user can't be looked up: {error}")),
    }
}

/// A code, or a range of them.
pub fn exit_codes(text: &str) -> Result<RangeInclusive<i32>, String> {
    let code = |text: &str| {
        text.parse::<u8>().map_err(|_| "not a code from 0 to 255, nor a range such as 1-127")
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let codes = code(first)?.into()..=code(last)?.into();
    if codes.is_empty() { Err("the range is empty".into()) } else { Ok(codes) }
}

/// A signal by its name, with or without SIG, or its number.
pub fn signal(text: &str) -> Result<i32, String> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let is_it = |signal: &i32| signal_name(*signal)[3..] == *name || text.parse() == Ok(*signal);
    (1..=libc::SIGRTMAX()).find(is_it).ok_or_else(|| "not a signal such as KILL or SIGTERM".into())
}

pub fn container_here(text: &str) -> Result<String, String> {
    let id = container(text)?;
    cgroups::needed_mount_point()?;
    Ok(id)
}

fn container(text: &str) -> Result<String, String> {
    let id = text.to_ascii_lowercase();
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(id)
    } else {
        Err("a container's id has up to 64 hexadecimal digits".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_is_written_in_one_way_everywhere() {
        for (text, ms) in [
            ("5", 5_000),
            ("0.5", 500),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("2m", 120_000),
            ("1d", 86_400_000),
            ("0", 0),
        ] {
            assert_eq!(span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (bad, why) in [
            ("", "not a time span"),
            ("soon", "not a time span"),
            ("nan", "not a time span"),
            ("inf", "not a time span"),
            ("5x", "not a time span"),
            ("-5", "negative"),
            ("-2s", "negative"),
            ("1e300", "too long"),
            ("1mo", "no fixed length"),
        ] {
            let error = span(bad).expect_err(bad);
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn periods_and_durations_have_their_ranges() {
        assert_eq!(period("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(period("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["9ms", "3601", "0"] {
            assert!(period(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert!(duration("0").is_err());
    }

    #[test]
    fn filters_are_checked() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(user("1000"), Ok(1000));
        for bad in ["no-such-user-here", "-1", "4294967295", "4294967296", ""] {
            assert!(user(bad).is_err(), "{bad}");
        }
        assert_eq!(container("0123ABC"), Ok("0123abc".into()));
        assert!(container("xyz").is_err());
        assert_eq!(pid("4194303"), Ok(4_194_303));
        for bad in ["0", "4194304", "99999999999", "-1", "abc", ""] {
            assert!(pid(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn codes_have_ranges_and_signals_names() {
        assert_eq!(exit_codes("3"), Ok(3..=3));
        assert_eq!(exit_codes("1-127"), Ok(1..=127));
        for bad in ["256", "-1", "5-3", "1-", "one", ""] {
            assert!(exit_codes(bad).is_err(), "{bad}");
        }
        for text in ["KILL", "SIGKILL", "sigkill", "9"] {
            assert_eq!(signal(text), Ok(9), "{text}");
        }
        assert_eq!(signal("RTMIN+3"), Ok(libc::SIGRTMIN() + 3));
        for bad in ["0", "65", "SIG", "SIGNOTHING", ""] {
            assert!(signal(bad).is_err(), "{bad}");
        }
    }
}
