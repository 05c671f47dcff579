//! Which machine this is.

use std::fs;

use nix::sys::utsname::uname;

/// Its name (gethostname(2)) and the release of its kernel, as uname(1) shows both.
pub fn name_and_release() -> (String, String) {
    let texts = uname().map(|names| {
        [names.nodename(), names.release()].map(|text| text.to_string_lossy().into_owned())
    });
    texts.map_or_else(|_| Default::default(), |[name, release]| (name, release))
}

/// How many CPUs this process may run on.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// The running kernel's version: major and minor.
pub fn kernel_version() -> Option<(u32, u32)> {
    parse_version(&name_and_release().1)
}

fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A random number that the kernel makes at each start: random(4).
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_distributions_are_understood() {
        assert_eq!(parse_version("6.12.48+deb13-cloud-amd64\n"), Some((6, 12)));
        assert_eq!(parse_version("7.3-rc1"), Some((7, 3)));
        assert_eq!(parse_version("linux"), None);
    }
}
