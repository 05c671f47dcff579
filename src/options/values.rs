//! What the values of options mean, and what is wrong with one that means nothing.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use nix::unistd::User;

use super::Saved;
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
    let period = seconds(text)?;
    if (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&period) {
        Ok(period)
    } else {
        Err("must be from 0.01 to 3600 seconds".into())
    }
}

pub fn duration(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("must be more than 0 seconds".into()),
        duration => Ok(duration),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub fn user(text: &str) -> Result<u32, String> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err("there is no such user".into()),
        Err(error) => Err(format!("the user can't be looked up: {error}")),
    }
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

pub fn min_duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration =
        text.parse().map_err(|_| "not a duration such as 250ms or 2s".to_owned())?;
    Duration::try_from(duration).map_err(|_| "a duration can't be negative".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_of_seconds_in_its_range() {
        assert_eq!(period("1"), Ok(Duration::from_secs(1)));
        assert_eq!(period("0.01"), Ok(Duration::from_millis(10)));
        assert_eq!(period("3600"), Ok(Duration::from_secs(3600)));
        for bad in ["0.009", "3601", "-1", "nan", "inf", "1s", ""] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_are_checked() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(user("1000"), Ok(1000));
        assert!(user("no-such-user-here").is_err());
        assert_eq!(min_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(min_duration("2s"), Ok(Duration::from_secs(2)));
        for bad in ["2", "-2s", "soon", ""] {
            assert!(min_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(container("0123ABC"), Ok("0123abc".into()));
        assert!(container("xyz").is_err());
    }

    #[test]
    fn a_duration_is_more_than_nothing() {
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "nan", "1e300"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
