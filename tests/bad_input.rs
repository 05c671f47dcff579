//! What is said of a command line that makes no sense: one clear line on stderr, and status 2.
//! Nothing is loaded for it, so it takes no root.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

#[path = "support/program.rs"]
mod program;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};

use program::program;

fn run(args: &[&OsStr]) -> Output {
    Command::new(program()).args(args).output().expect("the program starts")
}

/// The line, without what all of them have.
fn refusal(args: &[&OsStr]) -> String {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "data only on stdout");
    let line = stderr.strip_suffix('\n').expect("a whole line");
    assert!(!line.contains(char::is_control), "{args:?}: more than one line: {stderr}");
    let line = line.strip_prefix("kernel_and_user_map: error: ").expect("whose it is");
    line.strip_suffix(" (--help lists the options)").expect("what to do").to_owned()
}

#[test]
fn bad_input_of_every_kind_gets_one_clear_line() {
    let command = ["--", "true"];
    for (args, why) in [
        (&["--period", "0"][..], "must be from 10ms to 1h"),
        (&["--period", "2h"], "must be from 10ms to 1h"),
        (&["--period", "soon"], "not a time span such as 5, 0.5, 250ms or 1h30m"),
        (&["--period", "-x"], "not a time span"),
        (&["--period"], "a value is required"),
        (&["--duration", "0"], "must be more than 0"),
        (&["--duration", "-1"], "can't be negative"),
        (&["--duration", "1e300"], "too long"),
        (&["--duration", "1mo"], "a month or a year has no fixed length"),
        (&["--min-duration", "-2s"], "can't be negative"),
        (&["--min-duration", "5 parsecs"], "not a time span"),
        (&["-p", "abc"], "invalid value 'abc' for '--pid <PID>': not a pid"),
        (&["-p", ""], "not a pid"),
        (&["-p", "-1"], "not a pid"),
        (&["-p", "1,two"], "invalid value 'two'"),
        (&["-p", "0"], "no process has pid 0"),
        (&["-p", "4194304"], "they end at 4194303"),
        (&["-p", "\x1b[2J1\n2"], "not a pid"),
        (&["--ppid", "init"], "'--ppid <PID>': not a pid"),
        (&["--follow", "abc"], "'--follow <PID>': not a pid"),
        (&["-u", "no-such-user"], "there is no such user"),
        (&["-u", "-1"], "there is no such user"),
        (&["-u", "4294967295"], "no user has this number"),
        (&["-u", "99999999999"], "no user has such a number"),
        (&["-n", "("], "not a regular expression: unclosed group"),
        (&["--exclude", "["], "not a regular expression: unclosed character class"),
        (&["--redact", "*"], "not a regular expression: repetition operator missing"),
        (&["--host-fields"], "--host-fields is for -o json"),
        (&["--host-fields", "-o", "ecs"], "--host-fields is for -o json"),
        (&["--exit-code", "256"], "not a code from 0 to 255, nor a range such as 1-127"),
        (&["--exit-code", "5-3"], "the range is empty"),
        (&["--exit-code", "one"], "not a code"),
        (&["--signal", "0"], "not a signal such as KILL or SIGTERM"),
        (&["--signal", "SIGNOTHING"], "not a signal"),
        (&["-c", "/no/such/cgroup"], "cgroup"),
        (&["--container", "xyz"], "up to 64 hexadecimal digits"),
        (&["--event", "fork"], "[possible values: exec, exit]"),
        (&["--event", "exec", "-x"], "--event exec shows no exits"),
        (&["--event", "exec", "--min-duration", "5"], "--event exec shows no exits"),
        (&["-x", "--exit-code", "0"], "an exit with code 0 is no failure"),
        (&["--all"], "--all is for"),
        (&["--view", "trees"], "a similar value exists: 'tree'"),
        (&["--view", "tree", "-x"], "--view tree shows the whole tree"),
        (&["--view", "processes", "--signal", "KILL"], "show what runs"),
        (&["-o", "xml"], "[possible values: table, json"),
        (&["-t", "later"], "[possible values: local"),
        (&["--color", "blue"], "[possible values: auto"),
        (&["--max-entries", "0"], "a number from 1 to 4294967295"),
        (&["--max-entries", "many"], "a number from 1 to 4294967295"),
        (&["--save", "build.gif"], "must end in .svg, .pftrace, .jsonl or .txt"),
        (&["--to", ""], "a value is required"),
        (&["--run-as", "root"], "--run-as is for a COMMAND"),
        (&["--"], "there is no COMMAND behind `--`"),
        (&["make"], "a COMMAND stands behind `--`, as in: kernel_and_user_map -- make"),
        (&["--frobnicate"], "unexpected argument '--frobnicate' found"),
        (&["--perod", "1"], "a similar argument exists: '--period'"),
        (&["--follow", "1", "-p", "2"], "cannot be used with"),
        (&[&["--duration", "1"], &command[..]].concat(), "cannot be used with"),
    ] {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        let line = refusal(&args);
        assert!(line.contains(why), "{args:?}: {line}");
    }
    let line = refusal(&[OsStr::new("-u"), OsStr::from_bytes(b"a\xff")]);
    assert!(line.contains("invalid UTF-8"), "{line}");
}

#[test]
fn where_one_value_is_wanted_the_last_one_wins() {
    // With the request for help behind them, nothing is loaded: they only have to be understood.
    let twice = "-x -x --period 1 --period 2s -o json -o table --summary --summary --color never \
                 --color always -t utc -t none --event exit --event exit -u root -u 1,2 -p 1,2 -p 3 \
                 -n a -n b --exclude c --exit-code 3,10-20 --signal KILL,TERM --help";
    let args: Vec<_> = twice.split_whitespace().map(OsStr::new).collect();
    let output = run(&args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Usage:"));
}
