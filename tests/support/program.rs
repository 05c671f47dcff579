//! The program under test, and how long it is tested.

use std::env;
use std::path::PathBuf;

/// Returns the path of the program: what `KERNEL_AND_USER_MAP` says, else the one that cargo built
/// with the tests. `make test` names the release build; the tests themselves are a debug build.
pub fn program() -> PathBuf {
    env::var_os("KERNEL_AND_USER_MAP")
        .map_or_else(|| env!("CARGO_BIN_EXE_kernel_and_user_map").into(), PathBuf::from)
}

/// Whether this is `make test-soak`, which has more time.
#[allow(dead_code, reason = "not every suite has tests with a long form")]
pub fn is_soak() -> bool {
    env::var_os("SOAK").is_some()
}
