//! What an exec tells: file name, arguments, user; and which execs are none.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Value, json};

use crate::support::processes::{actor, play, unshare_mounts};
use crate::support::truth::{Truth, args, assert_life, assert_outcome};
use crate::support::watcher::{
    Watcher, here_or_in_guest, open_folder, run_to_end, share_machine, text,
};

/// Writes an executable file. A process of its own does: while a file is open for writing
/// it can't be executed, and what another test forks at the moment has all our files open.
fn write_program(path: &Path, content: &str) {
    let write = r#"printf %s "$1" >"$0""#;
    let (_, status) = run_to_end(Command::new("sh").args(["-c", write, text(path), content]));
    assert!(status.success());
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("ours");
}

fn copy_actor(how: &str, path: &Path) {
    let (_, status) = run_to_end(&mut play(&["copy", how, text(path)]));
    assert!(status.success());
}

#[test]
fn five_execs_in_one_pid_are_five_events_of_one_process() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut play(&["chain", "4"]));
    let run = watcher.finish();
    truth.assert_in_after(&run, &["3", "2", "1", "0"].map(|n| args(&["actor", "chain", n])));
}

#[test]
fn a_program_has_the_filename_given_to_exec_and_the_args_that_it_sees() {
    let _machine = share_machine();
    let dir = open_folder();
    copy_actor("whole", &dir.path().join("copy"));
    write_program(&dir.path().join("script"), "#!./copy one  two \nit is not read");
    write_program(&dir.path().join("nested"), "#!./script\n");
    let here = text(dir.path());
    // FD stands for the file descriptor given to exec.
    let table = [
        (&["exec-memory", "x", ""][..], "/dev/fd/FD", &["exec-memory", "x", ""][..]),
        (&["exec-at", here, "copy", "x"], "/dev/fd/FD/copy", &["copy", "x"]),
        (
            &["exec-at", here, "script", "x"],
            "/dev/fd/FD/script",
            &["./copy", "one  two", "/dev/fd/FD/script", "x"],
        ),
        (&["as", "0", "./copy"], "./copy", &["./copy"]),
        (&["as", "0", "script", "x", ""], "script", &["./copy", "one  two", "script", "x", ""]),
        (
            &["as", "0", "./nested", "x"],
            "./nested",
            &["./copy", "one  two", "./script", "./nested", "x"],
        ),
    ];
    let watcher = Watcher::start(&[]);
    let truths = table.map(|(part, ..)| Truth::of(play(part).current_dir(dir.path())));
    let run = watcher.finish();
    for (truth, (part, filename, expected)) in truths.iter().zip(table) {
        let fd = truth.fds.first().map_or("FD".into(), u32::to_string);
        let expected: Vec<_> = expected.iter().map(|arg| arg.replace("FD", &fd)).collect();
        assert_eq!(truth.told[0].args, expected, "{part:?}");
        assert_eq!(truth.told[0].pid, truth.pid);
        truth.assert_in_after(&run, &[expected]);
        let execs = run.execs_of(truth.pid);
        assert_eq!(execs[0]["filename"], text(actor()));
        assert_eq!(execs[1]["filename"], filename.replace("FD", &fd));
        assert_eq!(execs[1]["comm"], truth.told[0].comm);
    }
}

#[test]
fn an_exec_that_fails_is_no_event_and_leaves_the_program_before() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    write_program(&dir.path().join("not-a-program"), "no ELF");
    write_program(&dir.path().join("locked"), "");
    fs::set_permissions(path("locked"), Permissions::from_mode(0o644)).expect("ours");
    write_program(&dir.path().join("script"), "#!/nowhere/interpreter\n");
    let table = [
        (path("nowhere"), libc::ENOENT),
        (path("script"), libc::ENOENT),
        (path("locked"), libc::EACCES),
        (path(""), libc::EACCES),
        (path("not-a-program"), libc::ENOEXEC),
    ];
    let watcher = Watcher::start(&[]);
    let truths = table.map(|(path, error)| {
        let truth = Truth::of(&mut play(&["try-exec", &path]));
        let forked = Truth::of(&mut play(&["forked", "try-exec", &path]));
        (truth, forked, error)
    });
    // The longest argument is a byte less. Kernels for 64-bit Arm may have pages of 16 or 64 KiB.
    let page = sysconf(SysconfVar::PAGE_SIZE).expect("a name it knows").expect("a size");
    let too_long = Truth::of(&mut play(&["argv", "1", &(32 * page).to_string()]));
    let run = watcher.finish();

    assert_eq!(too_long.status.code(), Some(libc::E2BIG));
    too_long.assert_in(&run);
    for (truth, forked, error) in truths {
        let child = forked.ended("forked");
        assert_eq!((truth.status.code(), child.status.code()), (Some(error), Some(error)));
        truth.assert_in(&run);
        forked.assert_in(&run);
        assert_life(&run.of(child.pid), forked.pid, &[], child.status);
    }
}

#[test]
fn an_exec_that_fails_when_the_old_program_is_gone_is_the_end_of_both() {
    let _machine = share_machine();
    let dir = open_folder();
    let broken = dir.path().join("broken");
    copy_actor("broken", &broken);
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(play(&["try-exec", text(&broken)]).current_dir(dir.path()));
    let forked = Truth::of(play(&["forked", "try-exec", text(&broken)]).current_dir(dir.path()));
    let run = watcher.finish();

    let child = forked.ended("forked");
    assert!(truth.status.signal().is_some() && child.status.signal().is_some());
    assert_life(&run.of(child.pid), forked.pid, &[], child.status);
    // It is no longer the program of the last exec: that one was thrown out.
    let [exec, exit] = run.of(truth.pid)[..] else { panic!("{:#?}", run.of(truth.pid)) };
    assert_eq!(exec["args"], json!(truth.args));
    assert_eq!((&exit["args"], &exit["filename"]), (&Value::Null, &Value::Null));
    assert_eq!(exit["ppid"], std::process::id());
    assert_outcome(exit, truth.status);
}

#[test]
fn the_user_is_the_real_one_also_of_a_set_user_id_program() {
    let _machine = share_machine();
    let dir = open_folder();
    let program = dir.path().join("set-user-id");
    copy_actor("whole", &program);
    chown(&program, Some(1234), Some(1234)).expect("root may");
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("root may");
    let mut command = play(&["as", "65534", text(&program)]);
    let folder = dir.path().to_owned();
    // SAFETY: the closure makes system calls only; it allocates nothing for so short a path.
    unsafe { command.pre_exec(move || with_set_user_id(&folder)) };
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut command);
    let changed_later = Truth::of(&mut play(&["as", "65534", "/nowhere"]));
    let run = watcher.finish();

    let told = &truth.told[0];
    assert_eq!((told.uid, told.euid, told.gid), (65534, 1234, 65534));
    truth.assert_in_after(&run, &[args(&[text(&program)])]);
    changed_later.assert_in(&run);
    for (pid, ids) in [(truth.pid, &[0, 65534, 65534][..]), (changed_later.pid, &[0, 65534])] {
        for (event, id) in run.of(pid).into_iter().zip(ids) {
            assert_eq!((&event["uid"], &event["gid"]), (&json!(id), &json!(id)), "{event}");
        }
    }
}

/// In a mount namespace of its own, where a folder may be on a file system that is mounted
/// nosuid, as /tmp often is.
fn with_set_user_id(folder: &Path) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare_mounts()?;
    mount(Some(folder), folder, NONE, MsFlags::MS_BIND, NONE)?;
    mount(NONE, folder, NONE, MsFlags::MS_BIND | MsFlags::MS_REMOUNT, NONE)?;
    Ok(())
}

#[test]
fn an_argv_of_any_size_is_whole_or_cut_and_marked() {
    const ARGS_SIZE: usize = 304; // what a record holds
    let _machine = share_machine();
    let lengths: Vec<_> = (0..=5).chain(250..=350).step_by(here_or_in_guest(1, 7)).collect();
    let one_argument = lengths.into_iter().map(|length| (1, length));
    let table = [(0, 0), (3, 0), (100, 1), (1, 131_071), (16, 131_071), (200_000, 1)];
    let watcher = Watcher::start(&[]);
    // Else it might read while a process lives, and complete the command line.
    watcher.stop();
    let truths: Vec<_> = one_argument
        .chain(table)
        .map(|(count, length)| {
            let truth = Truth::of(&mut play(&["argv", &count.to_string(), &length.to_string()]));
            assert_eq!(truth.status.code(), Some(5), "{count} x {length}");
            (truth, count)
        })
        .collect();
    watcher.signal(Signal::SIGCONT);
    let run = watcher.finish();
    for (truth, count) in truths {
        let seen = &truth.told[0].args;
        let [_, exec, exit] = run.of(truth.pid)[..] else { panic!("{:#?}", run.of(truth.pid)) };
        assert_eq!(
            (&exec["args"], &exec["args_truncated"]),
            (&exit["args"], &exit["args_truncated"])
        );
        let shown: Vec<String> = serde_json::from_value(exec["args"].clone()).expect("texts");
        let bytes = |args: &[String]| args.iter().map(|arg| arg.len() + 1).sum::<usize>();
        assert_eq!(exec["args_truncated"], bytes(seen) > ARGS_SIZE, "{exec}");
        if exec["args_truncated"] == true {
            assert!(bytes(&shown) + 1 >= ARGS_SIZE, "{exec}");
            assert!(shown.len() <= seen.len() && bytes(&shown) <= bytes(seen), "{exec}");
            assert!(seen.join("\0").starts_with(&shown.join("\0")), "{exec}");
        } else {
            assert_eq!(shown, *seen);
        }
        // Since 5.18 the kernel makes one empty argument out of none, and a program sees it.
        assert!(seen.len() == count || count == 0 && seen.len() == 1);
    }
}
