//! The begin and the end of a watch: what happens between them is accounted for, in the middle
//! of a storm and among many others, too.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::account::{
    KINDS, Summary, assert_summary_is_what_was_printed, begin_and_end, children, crowd,
    print_result, time_of, wait_until_it_reports,
};
use crate::support::processes::{Running, content, fdinfo, field, play, wait_until};
use crate::support::program::is_soak;
use crate::support::watcher::{
    Run, Tracefs, Watcher, here_or_in_guest, is_lost_exit, may_be_missed, own_machine,
    share_machine, watcher_command,
};

/// What the parent of a storm knows of one of its processes: UTC nanoseconds.
struct Known {
    pid: u64,
    before: i128,
    after: i128,
}

/// A storm that goes on until it is told to end.
struct LogStorm {
    process: Running,
    log: File,
}

impl LogStorm {
    fn start() -> Self {
        let log = tempfile::tempfile().expect("a temporary file");
        let mut part = play(&["log-storm", "2"]);
        part.stdin(Stdio::piped()).stdout(log.try_clone().expect("a descriptor"));
        Self { process: Running::start(&mut part), log }
    }

    fn end(mut self) -> Vec<Known> {
        drop(self.process.child.stdin.take());
        assert!(self.process.child.wait().expect("it is ours").success());
        let log = content(&self.log).expect("a file");
        let mut lines = log.lines().map(|line| line.expect("text"));
        assert_eq!(lines.next().as_deref(), Some("begun"));
        let numbers = |line: &String| {
            let mut numbers = line.split(' ').map(|number| number.parse().expect("a number"));
            [(); 3].map(|()| numbers.next().expect("three numbers"))
        };
        let known = lines.map(|line| {
            let [pid, before, after] = numbers(&line);
            Known { pid: u64::try_from(pid).expect("a pid"), before, after }
        });
        known.collect()
    }
}

/// Of the whole machine, since its boot: `processes` of proc_stat(5).
fn forks() -> u64 {
    field(&fs::read_to_string("/proc/stat").expect("a file"), "processes").expect("a line")
}

/// Waits until a storm has started some processes from now on, and most of them have ended.
fn wait_for_storm() {
    let enough = forks() + here_or_in_guest(100, 20);
    assert!(wait_until(|| forks() >= enough), "the storm stands still");
}

/// A process may be on either side of a begin or an end, if it is so near. (Two clocks.)
const NEAR: i128 = 2_000_000;

/// Each process within the watch has both events, and each exit its exec, unless it was there
/// before. Tells how many processes there were.
fn assert_true_at_both_ends(run: &Run, storm: u32, log: &[Known]) -> usize {
    let [begin, end] = begin_and_end(run).map(time_of);
    let mut events: HashMap<u64, Vec<&Value>> = HashMap::new();
    // An exit that was lost is told of when that is noticed.
    for event in children(run, storm).into_iter().filter(|event| !is_lost_exit(event)) {
        events.entry(event["pid"].as_u64().expect("a pid")).or_default().push(event);
    }
    let of = |known: &Known| {
        let is_its =
            |event: &&&Value| (known.before - NEAR..known.after + NEAR).contains(&time_of(event));
        let events = events.get(&known.pid).into_iter().flatten().filter(is_its);
        events.map(|event| event["event"].as_str().expect("a kind")).collect::<Vec<_>>()
    };
    let (mut within, mut missing, mut near) = (0, 0, 0);
    for known in log.iter().filter(|known| known.after > begin - NEAR && known.before < end + NEAR)
    {
        let of = of(known);
        if known.before > begin + NEAR && known.after < end - NEAR {
            within += 1;
            missing += 2 - of.len() as u64;
            assert!(of.len() < 2 || of == ["exec", "exit"], "{of:?}");
        } else {
            near += of.len();
            assert!(of != ["exit"] || known.before < begin + NEAR, "an exit without its exec");
        }
    }
    let reported = events.values().map(Vec::len).sum::<usize>();
    assert_eq!(reported, 2 * within - missing as usize + near, "events of nobody");
    let lost = KINDS.iter().flat_map(|(_, dropped, missed)| [dropped, missed]);
    let lost = lost.map(|count| run.lost(count)).sum::<u64>();
    assert!(missing <= lost, "{missing} events are missing, {lost} counted: {}", run.stderr);
    assert!(missing <= 2 * may_be_missed(within) as u64, "{missing} of {within} are missing");
    within
}

#[test]
fn a_watch_in_the_middle_of_a_storm_is_true_at_both_ends() {
    let _machine = own_machine();
    let storm = LogStorm::start();
    let pid = storm.process.pid();
    let periods = ["0.01", "1", "30"];
    let watches = if is_soak() { 100 } else { here_or_in_guest(30, 3) };
    let runs: Vec<_> = (0..watches)
        .map(|i| {
            let watcher = Watcher::start(&["--period", periods[i % periods.len()]]);
            wait_for_storm();
            thread::sleep(Duration::from_millis(i as u64 * 7 % 300));
            watcher.finish()
        })
        .collect();
    let log = storm.end();
    let mut within = 0;
    for run in &runs {
        assert_summary_is_what_was_printed(run);
        within += assert_true_at_both_ends(run, pid, &log);
    }
    print_result(&format!("{watches} watches in a storm, {within} processes within them"));
    assert!(within > watches, "no storm: {within}");
}

/// Refuses membarrier(2) to the calling process, as the kernel does where CPUs are set apart.
fn refuse_membarrier() -> io::Result<()> {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        // The number is the first field of `struct seccomp_data`.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_membarrier as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program before it returns.
    match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) }
    {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The program, to which membarrier(2) may be refused.
fn command_that_may_be_refused(is_refused: bool) -> Command {
    let mut command = watcher_command(Tracefs::Mounted, &["-o", "json"]);
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe { command.pre_exec(move || if is_refused { refuse_membarrier() } else { Ok(()) }) };
    command
}

#[test]
fn a_watch_without_membarrier_is_true_at_both_ends() {
    let _machine = own_machine();
    let storm = LogStorm::start();
    let pid = storm.process.pid();
    let watches = here_or_in_guest(20, 3);
    let runs: Vec<_> = (0..watches)
        .map(|i| {
            let watcher = Watcher::spawn(command_that_may_be_refused(true));
            wait_for_storm();
            thread::sleep(Duration::from_millis(i * 17 % 300));
            watcher.finish()
        })
        .collect();
    let log = storm.end();
    let mut within = 0;
    for run in &runs {
        assert_summary_is_what_was_printed(run);
        within += assert_true_at_both_ends(run, pid, &log);
    }
    print_result(&format!("{watches} watches without membarrier, {within} processes within them"));
    assert!(within > watches as usize, "no storm: {within}");
}

#[test]
fn the_hooks_go_before_the_account_where_membarrier_is_refused() {
    let _machine = share_machine();
    for is_refused in [false, true] {
        let (stderr, theirs) = nix::unistd::pipe().expect("a pipe");
        let stdout = tempfile::tempfile().expect("a file");
        let mut command = command_that_may_be_refused(is_refused);
        command.stdout(stdout.try_clone().expect("a descriptor"));
        // One of its own, which does not wait: that of the program does.
        let path = format!("/proc/self/fd/{}", theirs.as_raw_fd());
        let mut open = File::options();
        let mut ours = open.write(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a pipe");
        let mut watcher = Running::start(command.stderr(theirs));
        drop(command);
        let mut stderr = BufReader::new(File::from(stderr));
        let mut line = String::new();
        while !line.contains("watching") {
            line.clear();
            assert!(stderr.read_line(&mut line).expect("text") > 0, "it has ended");
        }
        // Now it can't print its account.
        for size in [4096, 1] {
            while ours.write(&vec![b'\n'; size]).is_ok() {}
        }
        watcher.signal(Signal::SIGINT);
        let is_at_account = || {
            content(&stdout).expect("a file").windows(13).any(|part| part == b"\"event\":\"end\"")
        };
        assert!(wait_until(is_at_account), "it never ends");
        let links = fdinfo(watcher.pid()).iter().filter(|it| it.contains("link_id")).count();
        assert_eq!(links == 0, is_refused, "{links} hooks");
        drop(ours);
        let mut account = String::new();
        stderr.read_to_string(&mut account).expect("text");
        assert!(account.contains("the map was at its fullest"), "{account}");
        assert!(watcher.child.wait().expect("it is ours").success());
    }
}

#[test]
fn a_start_in_a_storm_among_many_others_loses_nothing() {
    let _machine = own_machine();
    let (alive, entries) = here_or_in_guest((15_000, "4096"), (400, "128"));
    let _crowd = crowd(alive, 1);
    // Also a machine that stands still for a moment fills the map, but not each time.
    let loses_nothing = || {
        let storm = LogStorm::start();
        let pid = storm.process.pid();
        let watcher = Watcher::start(&["--max-entries", entries]);
        watcher.wait_for_scan();
        wait_for_storm();
        let log = storm.end();
        let run = watcher.finish();
        assert_summary_is_what_was_printed(&run);
        let is_whole = Summary::of(&run).dropped == [0, 0];
        if is_whole {
            let within = assert_true_at_both_ends(&run, pid, &log);
            assert!(within > 0, "no storm");
        }
        is_whole
    };
    assert!((0..3).any(|_| loses_nothing()), "each start loses some");
}

#[test]
fn a_loss_among_many_others_leads_to_no_other_loss() {
    let _machine = own_machine();
    let (alive, entries) = here_or_in_guest((15_000, 1024), (400, 128));
    let crowd = crowd(alive, 1);
    let storm = LogStorm::start();
    let watcher = Watcher::start(&["--max-entries", &entries.to_string(), "--period", "0.1"]);
    wait_for_storm();
    let stopped_at = Timestamp::now().as_nanosecond();
    watcher.stop();
    // At two events each, twice what the map holds.
    let enough = forks() + entries;
    assert!(wait_until(|| forks() >= enough), "the storm stands still");
    watcher.signal(Signal::SIGCONT);
    let continued_at = Timestamp::now().as_nanosecond();
    // A loss is followed by a scan of /proc, beside which the storm goes on.
    wait_until_it_reports(|| watcher.stdout());
    watcher.wait_for_scan();
    wait_for_storm();
    let log = storm.end();
    let run = watcher.finish();
    drop(crowd);

    assert_summary_is_what_was_printed(&run);
    let stopped = |known: &&Known| known.after > stopped_at && known.before < continued_at;
    let happened = 2 * log.iter().filter(stopped).count() as u64;
    let dropped = Summary::of(&run).dropped.iter().sum::<u64>();
    print_result(&format!("{happened} events while it stood still, {dropped} dropped in all"));
    assert!(dropped > 0, "the map was never full");
    // It may get a CPU late. The fault was ten times as many: each look led to the next loss.
    assert!(dropped <= 2 * happened + entries, "{dropped} of {happened} dropped");
}
