//! What the kernel lets the program do, and what the program gives up.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use libbpf_rs::query::{MapInfoIter, ProgInfoIter};
use nix::sys::signal::Signal;

use crate::support::following::followed_and_direct;
use crate::support::logs::{OLD, assert_reported_in, other_name, wait_for_file, watcher_to};
use crate::support::processes::{fdinfo, field, play, wait_until};
use crate::support::program::program;
use crate::support::watcher::{Tracefs, Watcher, open_folder, run_to_end, share_machine, short};

/// What the program says of bad input, and its status.
fn refusal(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program()).args(args).output().expect("the program starts");
    assert!(output.stdout.is_empty(), "data only on stdout");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_map_too_large_for_the_kernel_is_refused_with_advice() {
    let advice = |verbose: &[&str]| {
        let (status, stderr) = refusal(&[&["--max-entries", "4294967295"], verbose].concat());
        assert_eq!(status, Some(1), "{stderr}");
        let lines: Vec<_> = stderr.lines().map(str::to_owned).collect();
        assert_eq!(lines.iter().any(|line| line.starts_with("libbpf: ")), verbose == ["-vv"]);
        lines.into_iter().find(|line| line.contains("error: ")).expect("an error")
    };
    let plain = advice(&[]);
    assert!(plain.contains("use a smaller --max-entries"), "{plain}");
    assert_eq!([advice(&["-v"]), advice(&["-vv"])], [plain.clone(), plain]);
}

#[test]
fn without_privileges_it_names_them() {
    use std::os::unix::process::CommandExt as _;
    // A copy that everyone may execute, wherever the build is.
    let dir = tempfile::tempdir().expect("a folder");
    let copy = dir.path().join("kernel_and_user_map");
    // By another process: a fork of another test would hold what this one has open for writing.
    run_to_end(Command::new("cp").arg(program()).arg(&copy));
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("permissions");
    let output = Command::new(copy).uid(65534).gid(65534).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("CAP_BPF and CAP_PERFMON"), "{stderr}");
}

/// The ids of the BPF programs and maps that a process holds.
fn bpf_ids(pid: u32) -> [HashSet<u64>; 2] {
    let held = fdinfo(pid);
    ["prog_id:", "map_id:"].map(|name| held.iter().filter_map(|text| field(text, name)).collect())
}

/// How many of these the kernel still has.
fn bpf_left([programs, maps]: &[HashSet<u64>; 2]) -> [usize; 2] {
    [
        ProgInfoIter::default().filter(|program| programs.contains(&program.id.into())).count(),
        MapInfoIter::default().filter(|map| maps.contains(&map.id.into())).count(),
    ]
}

#[test]
fn sigkill_leaves_nothing_in_the_kernel_and_the_next_start_works() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let ids = bpf_ids(watcher.pid());
    let [programs, maps] = bpf_left(&ids);
    assert!(programs >= 2 && maps >= 4, "{ids:?}");
    watcher.signal(Signal::SIGKILL);
    assert!(watcher.wait().stderr.lines().count() == 1, "no more than the greeting");
    // The kernel frees them when every CPU has left them.
    let gone = wait_until(|| bpf_left(&ids) == [0, 0]);
    assert!(gone, "still there: {:?} of {ids:?}", bpf_left(&ids));

    let watcher = Watcher::start(&[]);
    let (pid, _) = run_to_end(&mut play(&["exit", "3"]));
    assert_eq!(short(watcher.finish().exit_of(pid)), "exit 3");
}

#[test]
fn privileges_are_given_up_and_ctrl_c_still_works() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["-v"]);
    let status = fs::read_to_string(format!("/proc/{}/status", watcher.pid())).expect("it runs");
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim().to_owned()
    };
    let id = (0xF000_0000 + watcher.pid()).to_string();
    for ids in ["Uid:", "Gid:"] {
        assert_eq!(field(ids), [id.as_str(); 4].join("\t"));
    }
    assert_eq!(field("Groups:"), "");
    const CAP_BPF: u64 = 1 << 39;
    for set in ["CapEff:", "CapPrm:", "CapInh:"] {
        let left = u64::from_str_radix(&field(set), 16).expect("a set");
        assert_eq!(left & !CAP_BPF, 0, "{set} {left:x}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    let (pid, _) = run_to_end(&mut play(&["exit", "0"]));
    watcher.signal(Signal::SIGTERM);
    let run = watcher.wait();
    assert_eq!(run.of(pid).len(), 2);
    assert!(run.stderr.contains(&format!("now uid {id}")), "{}", run.stderr);
}

#[test]
fn its_limits_and_rights_are_those_of_its_caller() {
    let _machine = share_machine();
    let command = ["sh", "-c", "nice; cat /proc/self/status /proc/self/limits"];
    let [followed, direct] = followed_and_direct(Tracefs::Absent, &command).map(|text| {
        let kept = ["Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Seccomp", "Cpus_", "Max "];
        let is_kept = |line: &&str| {
            kept.iter().any(|name| line.starts_with(name)) || line.parse::<i32>().is_ok()
        };
        text.lines().filter(is_kept).map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(followed.len() > 20, "{followed:?}");
    assert_eq!(followed, direct);
}

/// Whether the kernel limits where root may write.
fn has_landlock() -> bool {
    // SAFETY: asks for a version only.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, 1_u32)
    };
    version > 0
}

#[test]
fn where_the_folder_has_gone_the_old_file_goes_on_and_it_says_so() {
    let _machine = share_machine();
    let dir = open_folder();
    let [logs, old] = ["logs", "old"].map(|name| dir.path().join(name));
    fs::create_dir(&logs).expect("ours");
    let (path, moved) = (logs.join("log.jsonl"), old.join("log.jsonl"));
    let watcher = watcher_to(&path, &["--period", "0.05"]);
    let told = || watcher.stderr().matches(OLD).count();

    fs::rename(&logs, &old).expect("ours");
    watcher.signal(Signal::SIGHUP);
    assert!(wait_until(|| told() == 1), "{}", watcher.stderr());
    let gone = "log.jsonl anew: No such file or directory";
    assert!(watcher.stderr().contains(gone), "{}", watcher.stderr());
    assert_reported_in(&moved, "gone", &watcher);

    // Another folder of that name is not the one that it may write to.
    fs::create_dir(&logs).expect("ours");
    watcher.signal(Signal::SIGHUP);
    if has_landlock() {
        assert!(wait_until(|| told() == 2), "{}", watcher.stderr());
        let denied = "log.jsonl anew: Permission denied";
        assert!(watcher.stderr().contains(denied), "{}", watcher.stderr());
        assert_reported_in(&moved, "denied", &watcher);
    } else {
        wait_for_file(&path, &watcher);
        assert_reported_in(&path, "allowed", &watcher);
    }

    // The next time it is tried again.
    fs::remove_dir_all(&logs).expect("ours");
    fs::rename(&old, &logs).expect("ours");
    fs::rename(&path, other_name(&path, 1)).expect("ours");
    watcher.signal(Signal::SIGHUP);
    wait_for_file(&path, &watcher);
    assert_reported_in(&path, "again", &watcher);
    let told = told();
    let run = watcher.finish();
    assert!(run.status.success(), "{}", run.stderr);
    assert_eq!(told, if has_landlock() { 2 } else { 1 }, "{}", run.stderr);
}
