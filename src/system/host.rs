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

/// A random number that the kernel makes at each start: random(4).
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim_end().to_owned())
}
