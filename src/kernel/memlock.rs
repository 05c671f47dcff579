//! The limit of locked memory (`RLIMIT_MEMLOCK`), to which Linux before 5.11 counts BPF maps: libbpf
//! takes it away when it loads something. A command must not inherit that.

use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// To be called before anything is loaded.
pub fn remember() {
    BEFORE.get_or_init(|| getrlimit(Resource::Memlock));
}

/// Gives this process the limit that it had.
///
/// # Errors
///
/// When the kernel refuses, which it does not for a lower limit.
pub fn restore() -> Result<()> {
    let Some(before) = BEFORE.get() else { return Ok(()) };
    setrlimit(Resource::Memlock, *before).context("could not limit locked memory")
}
