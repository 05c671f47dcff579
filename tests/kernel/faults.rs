//! Faults of the machine: the account balances in each.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use jiff::{SignedDuration, Timestamp};
use libc::SIGKILL;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::ends::SmallCgroup;
use crate::support::account::{assert_storm_is_whole, children, print_result, storm};
use crate::support::nobody::by_attacker;
use crate::support::processes::{Running, play};
use crate::support::truth::{Truth, time};
use crate::support::watcher::{
    Tracefs, Watcher, here_or_in_guest, in_guest, own_machine, run_to_end, share_machine, short,
    text, watcher_command,
};

/// The program in a mount namespace of its own, after `change` has changed what is mounted.
fn where_mounts_differ(
    options: &[&str],
    change: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> Command {
    let mut command = watcher_command(Tracefs::Mounted, options);
    // SAFETY: the child of a fork in which only this thread is: what the others hold it may not
    // wait for. The closures below make system calls, and allocate nothing.
    unsafe { command.pre_exec(change) };
    command
}

fn empty(dir: &'static str) -> impl Fn() -> io::Result<()> {
    const NONE: Option<&str> = None;
    move || Ok(mount(NONE, dir, Some("tmpfs"), MsFlags::empty(), NONE)?)
}

fn unmounted(dir: &'static str) -> impl Fn() -> io::Result<()> {
    move || Ok(umount2(dir, MntFlags::MNT_DETACH)?)
}

#[test]
fn without_proc_everything_is_told_but_what_stands_there() {
    let _machine = own_machine();
    let options = ["-o", "json"];
    let empty = Watcher::spawn(where_mounts_differ(&options, empty("/proc")));
    let unmounted = Watcher::spawn(where_mounts_differ(&options, unmounted("/proc")));
    let processes = here_or_in_guest(2000, 200);
    let storm = storm(processes);
    let long = "x".repeat(400);
    let (pid, _) = run_to_end(&mut play(&["exit", "3", &long]));
    for watcher in [empty, unmounted] {
        let run = watcher.finish();
        assert!(run.status.success(), "{}", run.stderr);
        assert_storm_is_whole(&run, storm, processes);
        let [exec, exit] = run.of(pid)[..] else { panic!("{:#?}", run.of(pid)) };
        assert_eq!((&exec["args_truncated"], &exit["exit_code"]), (&true.into(), &3.into()));
        assert!(exec["cgroup"].is_null() && exec["cgroup_id"].as_u64() > Some(0), "{exec}");
    }
}

/// What the program says when it does not begin, and its status.
fn refusal(mut command: Command) -> (Option<i32>, String) {
    // Else a program that does begin would never end.
    let command = command.args(["--duration", "0.5"]).stdout(Stdio::piped());
    let output = command.output().expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn without_sys_it_says_what_to_do() {
    let _machine = share_machine();
    for command in
        [where_mounts_differ(&[], empty("/sys")), where_mounts_differ(&[], unmounted("/sys"))]
    {
        let (status, stderr) = refusal(command);
        assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.contains("/sys/kernel/btf/vmlinux is missing"), "{stderr}");
        assert!(stderr.contains("sysfs mounted on /sys"), "{stderr}");
    }
}

/// Takes away each cgroup v2 hierarchy, as on a machine that has version 1 only.
fn without_cgroup2(options: &[&str]) -> Command {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let of_version_2 = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
    let points: Vec<_> =
        of_version_2.filter_map(|line| line.split(' ').nth(4)).map(ToOwned::to_owned).collect();
    where_mounts_differ(options, move || {
        Ok(points.iter().try_for_each(|point| umount2(&**point, MntFlags::MNT_DETACH))?)
    })
}

#[test]
fn without_cgroup_v2_there_are_no_cgroups_and_no_filters_by_them() {
    let _machine = own_machine();
    let watcher = Watcher::spawn(without_cgroup2(&["-o", "json"]));
    let processes = here_or_in_guest(1000, 100);
    let storm = storm(processes);
    let run = watcher.finish();
    assert_storm_is_whole(&run, storm, processes);
    for event in children(&run, storm) {
        assert!(event["cgroup"].is_null() && event["container_id"].is_null(), "{event}");
    }
    let (none, no_proc) = ("no cgroup v2 hierarchy is mounted", "/proc, which tells");
    for filter in [&["-c", "/"], &["--container", "0123"]] {
        for (command, words) in [
            (without_cgroup2(filter), none),
            (where_mounts_differ(filter, empty("/proc")), no_proc),
        ] {
            let (status, stderr) = refusal(command);
            assert_eq!(status, Some(2), "{stderr}");
            assert!(stderr.contains(words), "{stderr}");
        }
    }
}

/// Changes the wall clock, and puts it back.
struct WallClock {
    begun: Timestamp,
    since: Instant,
}

impl WallClock {
    fn take() -> Self {
        Self { begun: Timestamp::now(), since: Instant::now() }
    }

    /// So many hours from where it should be.
    fn set(&self, hours: i64) {
        let now = self.begun
            + SignedDuration::try_from(self.since.elapsed()).expect("short")
            + SignedDuration::from_hours(hours);
        let time =
            libc::timespec { tv_sec: now.as_second(), tv_nsec: now.subsec_nanosecond().into() };
        // SAFETY: `time` lives as long as the call.
        let status = unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) };
        assert_eq!(status, 0, "{}", io::Error::last_os_error());
    }
}

impl Drop for WallClock {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[test]
fn a_clock_that_jumps_takes_the_times_with_it_but_not_the_order() {
    if !in_guest() {
        return print_result("the clock jumps in guests only: others live by this one");
    }
    let _machine = own_machine();
    let watcher = Watcher::start(&["--period", "0.05"]);
    let clock = WallClock::take();
    let mut old = Running::start(play(&["wait", "exit", "6"]).stdin(Stdio::piped()));
    let mut other = Running::start(play(&["wait", "exit", "7"]).stdin(Stdio::piped()));
    watcher.wait_for("its exec", |event| event["pid"] == other.pid());
    let begun = Instant::now();
    let mut runs = Vec::new();
    for hours in [3, -5, 100, 0] {
        clock.set(hours);
        // The read that comes next notices. What has happened by then, and is printed later,
        // may have the time of before or after.
        let is_told = |pid: u32| {
            watcher.wait_for("an exit", |event| event["event"] == "exit" && event["pid"] == pid);
        };
        is_told(run_to_end(&mut play(&["exit", "0"])).0);
        let before = Timestamp::now();
        let truth = Truth::of(&mut play(&["exit", "3"]));
        let after = Timestamp::now();
        is_told(truth.pid);
        runs.push((before, truth, after));
    }
    drop(other.child.stdin.take());
    assert_eq!(other.child.wait().expect("ours").code(), Some(7));
    watcher.wait_for("its exit", |event| event["event"] == "exit" && event["pid"] == other.pid());
    // Back and forth while many run: more often than the program remembers.
    let processes = 300;
    let mut storming = Running::start(&mut play(&["storm", "300", "1"]));
    for hours in (0..).map(|n| if n % 2 == 0 { 7 } else { -7 }) {
        clock.set(hours);
        thread::sleep(Duration::from_millis(10));
        if storming.child.try_wait().expect("ours").is_some() {
            break;
        }
    }
    let lived = begun.elapsed();
    drop(old.child.stdin.take());
    let status = old.child.wait().expect("ours");
    let run = watcher.finish();
    drop(clock);

    assert_storm_is_whole(&run, storming.pid(), processes);
    // One after the other, by their parent: so they are told.
    let kinds =
        children(&run, storming.pid()).into_iter().map(|event| (&event["event"], &event["pid"]));
    let kinds: Vec<_> = kinds.collect();
    if kinds.len() == 2 * processes {
        for pair in kinds.chunks(2) {
            assert_eq!((pair[0].0, pair[1].0), (&"exec".into(), &"exit".into()));
            assert_eq!(pair[0].1, pair[1].1);
        }
    }
    let position = |pid: u32| run.events.iter().position(|event| event["pid"] == pid);
    assert!(runs.iter().map(|(_, truth, _)| position(truth.pid)).is_sorted());
    for (before, truth, after) in runs {
        truth.assert_in(&run);
        for event in run.of(truth.pid) {
            let time = time(&event["time"]);
            assert!(before <= time && time <= after, "{before} to {after}: {event}");
        }
    }
    // Whatever the clock was set to meanwhile, a process has one start.
    let storm =
        children(&run, storming.pid()).into_iter().filter_map(|event| event["pid"].as_u64());
    for pid in storm.map(|pid| pid.try_into().expect("pids are small")).chain([other.pid()]) {
        for event in run.of(pid) {
            let [start, ns] = ["start_time", "start_time_ns"].map(|name| &event[name]);
            assert_eq!(*ns, run.of(pid)[0]["start_time_ns"], "{event}");
            assert_eq!(ns.as_i64().map(i128::from), Some(time(start).as_nanosecond()));
        }
    }
    // Its duration is not what lies between its times: the clock was set in between.
    let exit = run.exit_of(old.pid());
    assert_eq!((short(exit), status.code()), ("exit 6".into(), Some(6)));
    let duration = Duration::from_nanos(exit["duration_ns"].as_u64().expect("known"));
    assert!(lived <= duration && duration <= lived + Duration::from_secs(60), "{exit}");
}

#[test]
fn a_cpu_that_comes_and_goes_loses_nothing() {
    const CPU: &str = "/sys/devices/system/cpu/cpu1/online";
    if !in_guest() {
        return print_result("a CPU is taken away in guests only: others use this one");
    }
    let can_go = fs::write(CPU, "1");
    if let Err(error) = can_go {
        return print_result(&format!("there is no CPU that could be taken away: {error}"));
    }
    let _machine = own_machine();
    let watcher = Watcher::start(&["--period", "0.05"]);
    let processes = 600;
    let mut storming = Running::start(&mut play(&["storm", "600", "2"]));
    let mut gone = 0;
    while gone < 3 || storming.child.try_wait().expect("ours").is_none() {
        fs::write(CPU, "0").expect("it may go");
        thread::sleep(Duration::from_millis(50));
        fs::write(CPU, "1").expect("it may come");
        thread::sleep(Duration::from_millis(50));
        gone += 1;
    }
    assert!(storming.child.wait().expect("ours").success());
    let run = watcher.finish();
    assert_storm_is_whole(&run, storming.pid(), processes);
    print_result(&format!("{processes} processes while a CPU went {gone} times"));
}

#[test]
fn where_the_oom_killer_acts_on_others_nothing_is_lost() {
    let _machine = own_machine();
    let cgroup = SmallCgroup::create();
    let watcher = Watcher::start(&["--period", "0.05"]);
    let processes = here_or_in_guest(1000, 100);
    let number = processes.to_string();
    let mut storming = Running::start(&mut play(&["storm", &number, "1"]));
    let procs = cgroup.dir.join("cgroup.procs");
    let hogs: Vec<_> = (0..3).map(|_| Truth::of(&mut play(&["hog", text(&procs)]))).collect();
    // Until the machine itself has none left, where nobody else needs it.
    let all = in_guest().then(|| Truth::of(by_attacker(&mut play(&["hog-all"]))));
    assert!(storming.child.wait().expect("ours").success());
    let run = watcher.finish();

    assert_eq!(cgroup.oom_kills(), 3);
    for truth in hogs.iter().chain(&all) {
        assert_eq!(truth.status.signal(), Some(SIGKILL));
        truth.assert_in(&run);
    }
    assert_storm_is_whole(&run, storming.pid(), processes);
}
