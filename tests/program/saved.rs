//! Files: what is saved when it ends (`--save`), and where reports go (`--to`).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};

use crate::support::following::{Following, end_of, with_command};
use crate::support::processes::{actor, play, storm_for};
use crate::support::program::program;
use crate::support::terminal::terminal;
use crate::support::watcher::{
    Tracefs, Watcher, in_namespace, open_folder, parse, run_to_end, share_machine, text,
    watcher_command,
};

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().expect("text")).collect();
    names.sort();
    names
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn errors(stderr: &[u8]) -> Vec<String> {
    let stderr = String::from_utf8_lossy(stderr);
    let errors = stderr.lines().filter(|line| line.contains("error: "));
    errors.map(str::to_owned).collect()
}

#[test]
fn a_saved_log_holds_what_is_printed() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = |name: &str| dir.path().join(name);
    let [main, json, table] = ["main", "s.jsonl", "s.txt"].map(path);
    for (format, saved, beside) in [("json", &json, &table), ("table", &table, &json)] {
        let _ = fs::remove_file(&main);
        let options = ["-o", format, "-t", "utc", "--summary", "--to", text(&main)];
        let options = [&options[..], &["--save", text(&json), "--save", text(&table)]].concat();
        let command = ["--", text(actor()), "births", "10"];
        let mut command = watcher_command(Tracefs::Mounted, &[&options[..], &command].concat());
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("births") && !stderr.contains("\"event\""), "{stderr}");
        assert_eq!(content(saved), content(&main), "{format}");
        assert!(content(beside).contains("births"), "{}", content(beside));
        assert_eq!(parse(&content(&json)).last().expect("lines")["event"], "end");
        assert_eq!(names(dir.path()), ["main", "s.jsonl", "s.txt"]);
    }
}

#[test]
fn a_file_has_its_name_when_it_is_whole() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = dir.path().join("s.jsonl");
    for before in [None, Some("of another run\n")] {
        if let Some(before) = before {
            fs::write(&path, before).expect("ours");
        }
        let options = ["--save", text(&path)];
        let following = Following::start_part(&options, &["wait", "exit", "3"]);
        following.wait_for(|event| event["event"] == "exec");
        let others = names(dir.path()).into_iter().filter(|name| name != "s.jsonl");
        let others: Vec<_> = others.collect();
        assert!(matches!(&others[..], [name] if name.starts_with(".s.jsonl")), "{others:?}");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
        let run = following.end();
        assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
        assert_eq!(names(dir.path()), ["s.jsonl"]);
        assert_eq!(parse(&content(&path)), run.events);
    }
}

#[test]
fn a_link_stays_one_and_a_new_file_has_the_mode_that_the_umask_leaves() {
    let _machine = share_machine();
    let dir = open_folder();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).expect("ours");
    let [link, target] = [dir.path().join("s.txt"), logs.join("target")];
    fs::write(&target, "old").expect("ours");
    fs::set_permissions(&target, Permissions::from_mode(0o604)).expect("ours");
    symlink("logs/target", &link).expect("ours");
    let new = dir.path().join("new.txt");
    let options = ["--save", text(&link), "--save", text(&new)];
    let mut command = with_command(&options, &[text(actor()), "exit", "0"]);
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe {
        command.pre_exec(|| {
            umask(Mode::from_bits_truncate(0o027));
            Ok(())
        });
    }
    let run = Following::start(command).end();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert_eq!(fs::read_link(&link).expect("a link"), Path::new("logs/target"));
    // The one that takes the place of another has its mode.
    for (path, expected) in [(&target, 0o604), (&new, 0o640)] {
        assert!(content(path).contains("exit 0"), "{}", content(path));
        let mode = fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, expected, "{}", path.display());
    }
    assert_eq!(names(&logs), ["target"]);
}

#[test]
fn a_file_that_cant_be_saved_is_told_before_anything_runs() {
    let _machine = share_machine();
    let missing = "/no/such/folder/s.jsonl";
    for option in [["--save", missing], ["--to", missing]] {
        for (command, status) in [(&["--", "echo", "it has run"][..], 125), (&[], 1)] {
            let options = [&option[..], command].concat();
            let output = watcher_command(Tracefs::Mounted, &options).output();
            let output = output.expect("the program starts");
            let errors = errors(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{errors:?}");
            assert!(output.stdout.is_empty(), "it has run");
            assert!(matches!(&errors[..], [error] if error.contains(missing)), "{errors:?}");
        }
    }
    for name in ["s.doc", "s", "s.jsonl.gz", ".svg"] {
        let output = Command::new(program()).args(["--save", name, "--", "true"]).output();
        let output = output.expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{name}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(".svg, .pftrace, .jsonl or .txt"), "{stderr}");
    }
}

/// Runs the program where this folder is a small disk; gives what is left there, too.
fn on_small_disk(folder: &Path, options: &[&str]) -> (i32, Vec<String>, String) {
    let script = r#""$@"; status=$?; echo "left: $(ls -A .)"; exit $status"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(program()).args(options).current_dir(folder);
    let small_disk = folder.to_owned();
    let mount_disk = move || {
        in_namespace(Tracefs::Mounted)?;
        let (kind, size) = (Some("tmpfs"), Some("size=64k"));
        mount(None::<&str>, &small_disk, kind, MsFlags::empty(), size)?;
        std::env::set_current_dir(&small_disk)
    };
    // SAFETY: the closure makes system calls, and allocates what the system's own calls do.
    unsafe { shell.stdin(Stdio::null()).pre_exec(mount_disk) };
    let output = shell.output().expect("the shell starts");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the map was at its fullest"), "{stderr}");
    (output.status.code().expect("a code"), errors(&output.stderr), stdout)
}

#[test]
fn a_full_disk_costs_the_file_that_is_on_it_and_nothing_else() {
    let _machine = share_machine();
    let (small, dir) = (open_folder(), open_folder());
    let [whole, main] = ["whole.jsonl", "main"].map(|name| dir.path().join(name));
    let files = ["-o", "json", "--save", "lost.jsonl", "--save", text(&whole), "--to", text(&main)];
    let svg = dir.path().join("whole.svg");
    let files = [&files[..], &["--save", text(&svg)]].concat();
    let with_command = [&files[..], &["--", text(actor()), "storm", "300", "2"]].concat();
    let (status, errors, left) = on_small_disk(small.path(), &with_command);
    let told = |errors: &[String]| {
        let [error] = errors else { panic!("{errors:?}") };
        assert!(error.contains("lost.jsonl") && error.contains("No space left"), "{error}");
    };
    assert_eq!((status, &*left), (125, "left: \n"));
    told(&errors);
    for path in [&whole, &main] {
        let lines = parse(&content(path));
        assert_eq!(lines.last().expect("lines")["reported_exits"], 301, "{lines:#?}");
    }
    assert_eq!(content(&whole), content(&main));
    assert!(content(&svg).contains("</svg>"));

    // Without a command, a file without an end must not end the watch.
    let duration = [&files[..], &["--duration", "1.5"]].concat();
    let mut storm = storm_for(60, 2, 0);
    let (status, errors, left) = on_small_disk(small.path(), &duration);
    storm.end();
    assert_eq!((status, &*left), (1, "left: \n"));
    told(&errors);
    assert_eq!(parse(&content(&whole)).last().expect("lines")["event"], "end");
}

#[test]
fn no_temporary_file_stays_behind() {
    let _machine = share_machine();
    let dir = open_folder();
    let [json, table] = ["s.jsonl", "s.txt"].map(|name| dir.path().join(name));
    let options = ["--save", text(&json), "--save", text(&table)];
    // The command can't be run: there is nothing to save.
    let run = Following::start(with_command(&options, &["no-such-command"])).end();
    assert_eq!(run.status.code(), Some(127), "{}", run.stderr);
    assert_eq!(names(dir.path()), <[&str; 0]>::default());
    // One file can't be made, after another.
    let missing = [&options[..], &["--save", "/no/such/folder/s.svg"]].concat();
    let run = Following::start(with_command(&missing, &["true"])).end();
    assert_eq!(run.status.code(), Some(125), "{}", run.stderr);
    assert_eq!(names(dir.path()), <[&str; 0]>::default());

    let mut following = Following::start_part(&options, &["sleep"]);
    following.wait_for(|event| event["event"] == "exec");
    following.process().signal(Signal::SIGTERM);
    let run = following.end();
    assert_eq!(run.status.code(), Some(143), "{}", run.stderr);
    assert_eq!(parse(&content(&json)).last(), Some(end_of(&run)));
    assert_eq!(names(dir.path()), ["s.jsonl", "s.txt"]);

    fs::remove_file(&json).expect("ours");
    let watcher = Watcher::start(&options);
    watcher.signal(Signal::SIGTERM);
    let run = watcher.wait();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert_eq!(content(&json), run.stdout);
    assert_eq!(names(dir.path()), ["s.jsonl", "s.txt"]);
}

#[test]
fn what_goes_to_a_file_is_appended_and_has_no_colours() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = dir.path().join("log");
    fs::write(&path, "kept\n").expect("ours");
    fs::set_permissions(&path, Permissions::from_mode(0o604)).expect("ours");
    for code in ["3", "4"] {
        let (_screen, theirs) = terminal();
        let options = ["--to", text(&path), "--", text(actor()), "exit", code];
        let mut command = watcher_command(Tracefs::Mounted, &options);
        let [stdout, stderr] = [(); 2].map(|()| theirs.try_clone().expect("a descriptor"));
        command.env("TERM", "xterm").env_remove("NO_COLOR").stdout(stdout).stderr(stderr);
        let (_, status) = run_to_end(&mut command);
        assert_eq!(status.code().map(|code| code.to_string()).as_deref(), Some(code));
    }
    let log = content(&path);
    assert!(log.starts_with("kept\n") && !log.contains('\u{1b}'), "{log}");
    assert!(log.contains(" exit 3\n") && log.contains(" exit 4\n"), "{log}");
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o604);
}

#[test]
fn without_a_command_the_tree_comes_at_ctrl_c() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = dir.path().join("log");
    let options = ["--view", "tree", "--period", "0.05", "--to", text(&path)];
    let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, &options));
    let (_, status) = run_to_end(&mut play(&["exit", "3", "in-the-tree"]));
    assert_eq!(status.code(), Some(3));
    assert_eq!(content(&path), "", "it is too early");
    let run = watcher.finish();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert!(content(&path).contains("in-the-tree"), "{}", content(&path));
}
