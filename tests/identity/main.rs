//! Who a command runs as, and who the program goes on as. It needs root.
//!
//! Each test forks a process that becomes somebody, and looks at it from outside. Its user database
//! is its own: `alice` (1000, groups 100 and 2000) and `bob` (1001).
//!
//! usage: identity [WORD]     only the tests with the word in their names

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod command;
mod program;
mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::panic::catch_unwind;
use std::path::Path;
use std::{env, fs, process};

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

macro_rules! named {
    ($test:path) => {
        (stringify!($test), $test)
    };
}

const TESTS: &[(&str, fn())] = &[
    named!(command::the_caller_of_sudo_is_known_with_all_groups),
    named!(command::root_is_nobodys_caller),
    named!(command::a_set_user_id_program_believes_nobody),
    named!(command::a_command_has_its_users_ids_and_no_more),
    named!(command::without_root_nobody_becomes_another),
    named!(program::who_only_prints_is_nobody),
    named!(program::for_the_caller_it_is_the_caller),
    named!(program::for_the_caller_it_signals_anothers_command),
    named!(program::for_the_caller_it_signals_roots_command),
    named!(program::root_writes_its_files_and_no_others),
    named!(program::root_writes_a_device_or_a_pipe_and_not_beside_it),
    named!(program::root_signals_anothers_command),
    named!(program::root_goes_on_without_landlock),
    named!(program::a_file_out_of_reach_is_told_at_once),
];

fn main() {
    assert!(geteuid().is_root(), "this test needs root");
    let word = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    own_user_database().expect("root may mount");
    let wanted = TESTS.iter().filter(|(name, _)| name.contains(&word));
    let failed = wanted.filter(|(name, test)| {
        let is_good = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_good { "ok" } else { "FAILED" });
        !is_good
    });
    process::exit(i32::from(failed.count() > 0));
}

/// Mounts a user database over the system's, for this process and its children.
fn own_user_database() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let dir = tempfile::tempdir()?;
    let passwd = "root:x:0:0::/root:/bin/sh\n\
        alice:x:1000:100::/home/alice:/bin/zsh\n\
        bob:x:1001:1001::/:\n";
    let group = "root:x:0:\nusers:x:100:\ndevelopers:x:2000:bob,alice\n";
    let nsswitch = "passwd: files\ngroup: files\n";
    for (name, text) in [("passwd", passwd), ("group", group), ("nsswitch.conf", nsswitch)] {
        let (ours, theirs) = (dir.path().join(name), Path::new("/etc").join(name));
        fs::write(&ours, text)?;
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o644))?;
        if theirs.exists() {
            mount(Some(&ours), &theirs, none, MsFlags::MS_BIND, none)?;
        }
    }
    Ok(())
}
