//! Rotates a log with logrotate, by the rule that the packages install, while processes start and
//! end as fast as they can. Needs root.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

#[allow(dead_code, reason = "the kernel tests need the rest")]
#[path = "../support/processes.rs"]
mod processes;
#[path = "../support/program.rs"]
mod program;
#[allow(dead_code, reason = "the kernel tests need the rest")]
#[path = "../support/rotated.rs"]
mod rotated;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use processes::{Running, play, wait_until};
use rotated::{Rotated, storm_pids};

const RULE: &str = include_str!("../../packaging/kernel_and_user_map.logrotate");

/// Where the rule expects the log, and how it has the service told.
const LOG: &str = "/var/log/kernel_and_user_map/events.jsonl";
const RELOAD: &str = "systemctl try-reload-or-restart kernel_and_user_map.service";

const ROUNDS: usize = 20;

#[test]
fn rotated_twenty_times_in_a_storm_nothing_is_lost_and_nothing_comes_twice() {
    assert!(nix::unistd::geteuid().is_root(), "only root may load BPF programs: use sudo");
    let folder = tempfile::tempdir().expect("a folder");
    let [log, rule, state, said] =
        ["events.jsonl", "rule", "state", "said"].map(|name| folder.path().join(name));

    let mut program = Command::new(program::program());
    let options = ["-o", "json", "--period", "0.05", "--max-entries", "65536", "--to"];
    program.args(options).arg(&log).stdin(Stdio::null());
    program.env_remove("SUDO_UID").env_remove("SUDO_GID"); // as root, in a folder of root's
    program.stderr(File::create(&said).expect("ours"));
    let mut program = Running::start(&mut program);
    let said = || fs::read_to_string(&said).expect("text");
    assert!(wait_until(|| text_of(&log).contains("\"begin\"")), "it does not begin: {}", said());

    // The same rule for this log, this program, and all of the rounds.
    fs::write(&rule, rule_for(&log, program.pid())).expect("ours");
    let mut storm =
        Running::start(play(&["log-storm", "2"]).stdin(Stdio::piped()).stdout(Stdio::piped()));
    for _ in 0..ROUNDS {
        let has_lines = || text_of(&log).contains(r#""tiny""#);
        assert!(wait_until(has_lines), "nothing is reported: {}", said());
        let mut logrotate = Command::new("logrotate");
        logrotate.arg("--force").arg("--state").arg(&state).arg(&rule);
        let output = logrotate.output().expect("scripts/install-packages test installs it");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "logrotate: {told}");
        assert!(wait_until(|| log.exists()), "there is no new file: {}", said());
    }
    let parent = storm.pid();
    let pids = storm_pids(&mut storm);
    program.signal(Signal::SIGINT);
    let status = program.child.wait().expect("it is ours");
    assert!(status.success() && !said().contains("old file"), "{status}: {}", said());

    let rotated = Rotated::of_texts((0..=ROUNDS).rev().map(|number| old_text(&log, number)));
    // The kernel may have skipped some, which the account tells.
    let missed = ["missed_execs_at_most", "missed_exits_at_most"];
    let missed = missed.map(|name| rotated.last()[name].as_u64().expect("a number"));
    let missed = usize::try_from(missed.into_iter().max().unwrap_or(0)).expect("few");
    assert!(missed <= pids.len() / 500, "{missed} of {} may be missed", pids.len());
    rotated.assert_whole(parent, &pids, missed);
}

fn rule_for(log: &Path, pid: u32) -> String {
    let replace = |rule: String, old: &str, new: &str| {
        assert!(rule.contains(old), "the rule has no {old:?}");
        rule.replace(old, new)
    };
    let rule = replace(RULE.to_owned(), LOG, log.to_str().expect("text"));
    let rule = replace(rule, RELOAD, &format!("kill -HUP {pid}"));
    replace(rule, "rotate 14", "rotate 100")
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What logrotate has made of the log: 0 is the one that has its name.
fn old_text(log: &Path, number: usize) -> String {
    let named = |end: String| PathBuf::from(format!("{}{end}", log.display()));
    match number {
        0 => text_of(log),
        1 => text_of(&named(".1".to_owned())),
        _ => {
            let packed = named(format!(".{number}.gz"));
            let output = Command::new("gzip").arg("-dc").arg(&packed).output().expect("gzip");
            assert!(output.status.success(), "{}", packed.display());
            String::from_utf8(output.stdout).expect("text")
        }
    }
}
