//! Disks and devices that are full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

use crate::support::account::{
    KINDS, Summary, assert_storm_is_whole, between, count, mark, storm, wait_until_it_reports,
};
use crate::support::processes::unshare_mounts;
use crate::support::watcher::{Run, Tracefs, Watcher, own_machine, share_machine, watcher_command};

/// Two files on a small disk of their own, which is mounted nowhere else.
fn two_files_on_a_small_disk() -> [File; 2] {
    const NONE: Option<&str> = None;
    let dir = tempfile::tempdir().expect("a folder");
    // A thread has a mount namespace of its own; an open file keeps the disk.
    let mount_and_open = || -> io::Result<_> {
        unshare_mounts()?;
        mount(NONE, dir.path(), Some("tmpfs"), MsFlags::empty(), Some("size=16m"))?;
        let open = |name| File::create_new(dir.path().join(name));
        Ok([open("output")?, open("filler")?])
    };
    thread::scope(|scope| scope.spawn(mount_and_open).join())
        .expect("no panic")
        .expect("root mounts a tmpfs")
}

/// Fills a disk but for so many bytes.
fn fill_disk(mut filler: &File, room: u64) {
    let mut filled = 0;
    while let Ok(written) = filler.write(&[0; 4096]) {
        filled += written as u64;
    }
    filler.set_len(filled - room).expect("the disk gives it back");
}

fn assert_one_error_about_stdout(run: &Run) {
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    let errors: Vec<_> = run.stderr.lines().filter(|line| line.contains("error")).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    assert!(errors[0].contains("stdout") && errors[0].contains("No space left"), "{errors:?}");
}

#[test]
fn a_full_disk_is_one_error_and_the_account_still_balances() {
    let _machine = own_machine();
    let [output, filler] = two_files_on_a_small_disk();
    let witness = Watcher::start(&["--max-entries", "65536"]);
    let options = ["-o", "json", "--max-entries", "256", "--period", "0.05"];
    let watcher = Watcher::spawn_into(output, watcher_command(Tracefs::Mounted, &options));
    let begin = mark("begin");
    wait_until_it_reports(|| watcher.stdout());
    watcher.stop();
    // More processes than fit into the map, and more in the map than fits on the disk.
    fill_disk(&filler, 64 * 1024);
    storm(400);
    let end = mark("end");
    watcher.signal(Signal::SIGCONT);
    let run = watcher.wait();
    let witness = witness.finish();

    assert_one_error_about_stdout(&run);
    let summary = Summary::of(&run);
    for (at, (kind, ..)) in KINDS.into_iter().enumerate() {
        let written = count(&run.events, kind);
        assert!((1..=written).contains(&summary.reported[at]), "{written} {kind}s: {summary:?}");
    }
    assert!(summary.unwritten > 0 && summary.dropped[0] > 0, "{summary:?}");
    // Others may run beside the storm, before the first mark and after the last one.
    let both = |events| KINDS.iter().map(|(kind, ..)| count(events, kind)).sum::<u64>();
    let missed = KINDS.iter().map(|(.., missed)| witness.lost(missed)).sum::<u64>();
    let at_least = both(between(&witness.events, &begin, &end));
    let at_most = both(&witness.events[..]) + missed;
    let unsure = summary.missed_at_most.iter().sum::<u64>();
    let all = summary.all();
    assert!(at_least <= all + unsure && all <= at_most, "{at_least} to {at_most}: {summary:?}");
}

#[test]
fn a_full_device_refuses_the_first_line_and_the_watch_ends() {
    let _machine = share_machine();
    for options in [&[][..], &["-o", "json"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = watcher_command(Tracefs::Mounted, options).stdout(full).output();
        let output = output.expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let run = Run { status: output.status, events: Vec::new(), stdout: String::new(), stderr };
        assert_one_error_about_stdout(&run);
        assert_eq!(run.stderr.lines().count(), 2, "the greeting, and why: {}", run.stderr);
    }
}

#[test]
fn when_a_full_disk_has_room_again_the_next_run_is_whole() {
    let _machine = own_machine();
    let [output, filler] = two_files_on_a_small_disk();
    let options = ["-o", "json", "--period", "0.05"];
    let spawn = || {
        let stdout = output.try_clone().expect("a descriptor");
        Watcher::spawn_into(stdout, watcher_command(Tracefs::Mounted, &options))
    };
    let witness = Watcher::start(&["--max-entries", "65536"]);
    let watcher = spawn();
    watcher.stop();
    fill_disk(&filler, 16 * 1024);
    let processes = 300;
    let first = storm(processes);
    watcher.signal(Signal::SIGCONT);
    let run = watcher.wait();
    let witness = witness.finish();
    assert_one_error_about_stdout(&run);
    let summary = Summary::of(&run);
    assert!(summary.unwritten > 0, "{summary:?}");
    // Others may run beside the storm.
    let all = |run: &Run| KINDS.iter().map(|(kind, ..)| count(&run.events, kind)).sum::<u64>();
    let unsure = KINDS.iter().map(|(.., missed)| witness.lost(missed)).sum::<u64>()
        + summary.missed_at_most.iter().sum::<u64>();
    assert_storm_is_whole(&witness, first, processes);
    assert!(summary.all() + unsure >= 2 * processes as u64, "{summary:?}");
    assert!(summary.all() <= all(&witness) + unsure, "{summary:?} of {}", all(&witness));
    assert!(summary.reported.iter().sum::<u64>() <= all(&run), "{summary:?}");

    filler.set_len(0).expect("room");
    output.set_len(0).expect("a new beginning");
    io::Seek::rewind(&mut &output).expect("a file");
    let watcher = spawn();
    let second = storm(processes);
    let run = watcher.finish();
    assert!(run.status.success(), "{}", run.stderr);
    assert_storm_is_whole(&run, second, processes);
}
