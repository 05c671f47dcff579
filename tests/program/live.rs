//! The live view on a terminal.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use kernel_and_user_map::system::terminal::Screen;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::console::Console;
use crate::support::processes::{Running, play, storm_for, wait_until};
use crate::support::terminal::{Terminal, assert_cannot_drive};
use crate::support::watcher::{
    Run, Tracefs, Watcher, own_machine, run_to_end, share_machine, watcher_command,
};

const PROCESSES: [&str; 4] = ["--view", "processes", "--period", "0.2"];

#[track_caller]
fn assert_account(run: &Run) {
    assert!(run.status.success(), "{}: {}", run.status, run.stderr);
    assert!(run.stderr.contains("the map was at its fullest"), "{}", run.stderr);
}

#[test]
fn it_shows_what_runs_at_any_size_and_keys_work() {
    let _machine = share_machine();
    for (columns, lines) in [(80, 24), (40, 10)] {
        let console = Console::open(columns, lines);
        let watcher = console.start(&PROCESSES);
        let shown = Running::start(&mut play(&["sleep", "shown"]));
        // Others may have started more than there is room for.
        console.press("/sleep shown\r");
        let row = |screen: &vt100::Screen| {
            let mut rows = screen.rows(0, columns);
            rows.find(|row| row.trim_start().starts_with(&format!("{} ", shown.pid())))
        };
        console.wait_for("its row", |screen| row(screen).is_some());
        console.wait_for("how many", |screen| screen.contents().contains("showing 1 of 1"));
        assert_eq!(console.lines()[2].split_whitespace().next(), Some("PID"));

        console.press("\t");
        console.wait_for_text("commands");
        console.press("\x1b/actor\r");
        console.wait_for("the command", |screen| {
            screen.rows(0, columns).skip(3).any(|row| row.trim_end().ends_with("  actor"))
        });
        console.press("?");
        console.wait_for_text("HELP");
        console.press("x\t");
        console.wait_for("the row again", |screen| row(screen).is_some());
        drop(shown);
        console.wait_for("its end", |screen| screen.contents().contains("showing 0 of 0"));
        console.press("q");
        assert_account(&watcher.wait());
        console.assert_left_whole();
    }
}

#[test]
fn it_follows_the_size_of_its_window() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    // No other reason to draw comes within the hour.
    let watcher = console.start(&["--view", "processes", "--all", "--period", "3600"]);
    console.wait_for_text("Tab commands");
    for (columns, lines) in [(40, 10), (10, 3), (120, 30), (1, 1), (80, 24)] {
        console.resize(columns, lines);
        let heading = if columns >= 100 { "PPID" } else { "COMMAND" };
        if columns >= 10 {
            console.wait_for("the header", |screen| {
                let row = usize::from(lines > 5) + 1;
                screen.rows(0, columns).nth(row).is_some_and(|row| row.contains(heading))
            });
        }
    }
    // A signal that comes while it looks for keys does not end them.
    for _ in 0..200 {
        console.resize(79, 24);
        console.resize(80, 24);
        sleep(Duration::from_millis(3));
    }
    console.press("q");
    assert_account(&watcher.wait());
    console.assert_left_whole();
}

#[test]
fn whatever_ends_it_leaves_the_terminal_whole() {
    let _machine = share_machine();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let console = Console::open(80, 24);
        let watcher = console.start(&PROCESSES);
        watcher.signal(signal);
        assert_account(&watcher.wait());
        console.assert_left_whole();
    }
    let console = Console::open(80, 24);
    let watcher = console.start(&PROCESSES);
    console.press("\x03");
    assert_account(&watcher.wait());
    console.assert_left_whole();

    let watcher = console.start(&PROCESSES);
    console.press("\x1c"); // Ctrl-\ is no key here
    console.press("?");
    console.wait_for_text("HELP");
    watcher.signal(Signal::SIGQUIT);
    let (status, _) = watcher.end();
    assert_eq!(status.signal(), Some(libc::SIGQUIT));
    console.assert_left_whole();

    let options = ["--view", "commands", "--duration", "1", "--summary"];
    let mut command = watcher_command(Tracefs::Mounted, &options);
    console.attach(&mut command);
    let mut watcher = console.spawn(command);
    // Over and over, so that one falls into this second.
    assert!(wait_until(|| {
        run_to_end(&mut play(&["exit", "3"]));
        watcher.has_ended().is_some()
    }));
    assert_account(&watcher.wait());
    console.assert_left_whole();
    // What comes at the end is not lost with the live view.
    console
        .wait_for("the summary", |screen| screen.rows(0, 80).any(|row| row.starts_with("actor  ")));
}

#[test]
fn a_second_signal_ends_it_where_the_terminal_takes_nothing() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    let watcher = console.start(&PROCESSES);
    console.hold(true);
    // When it writes, it reads nothing more, nor does it look for signals.
    assert!(wait_until(|| {
        console.press("\x0c");
        sleep(Duration::from_secs(1));
        !console.is_all_read()
    }));
    let mut status = None;
    let mut watcher = Some(watcher);
    assert!(wait_until(|| {
        watcher.as_ref().inspect(|it| it.signal(Signal::SIGINT));
        if let Some(ended) = watcher.as_mut().and_then(Watcher::has_ended) {
            status = Some(ended);
            watcher = None;
        }
        status.is_some()
    }));
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    console.hold(false);
    console.assert_modes();
}

/// Not a test of its own: the next one starts it in a process of its own.
#[test]
fn the_program_panics() {
    if env::var_os("PANICS").is_some() {
        let _screen = Screen::enter().expect("a terminal");
        panic!("as asked for");
    }
}

#[test]
fn a_panic_leaves_the_terminal_whole() {
    let console = Console::open(80, 24);
    let mut command = Command::new(env::current_exe().expect("this file"));
    command.args(["--exact", "live::the_program_panics", "--nocapture"]).env("PANICS", "1");
    console.attach(&mut command);
    let output = command.stderr(Stdio::piped()).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("as asked for"), "{stderr}");
    console.assert_left_whole();
}

#[test]
fn a_shell_gets_its_terminal_back_while_it_is_stopped() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    let shell = console.start_below_shell(&PROCESSES);
    console.press("?");
    console.wait_for_text("HELP");
    console.press("\x1a");
    console.wait_for_text("stopped");
    console.wait_for("the other screen", |screen| !screen.alternate_screen());
    console.press("\n");
    console.wait_for("the live view", |screen| {
        screen.alternate_screen() && screen.contents().contains("HELP")
    });
    console.press("q");
    console.wait_for("the shell", |screen| {
        !screen.alternate_screen() && screen.contents().contains("ended")
    });
    assert!(shell.wait().status.success());
    console.assert_left_whole();
}

#[test]
fn a_key_that_comes_with_a_new_size_is_taken() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    let watcher = console.start(&PROCESSES);
    watcher.stop();
    console.resize(60, 20);
    console.press("q");
    watcher.signal(Signal::SIGCONT);
    assert!(watcher.wait().status.success());
    console.assert_left_whole();
}

#[test]
fn what_is_told_stands_on_the_screen_of_the_shell() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    let mut command = watcher_command(Tracefs::Mounted, &PROCESSES);
    console.attach(&mut command);
    let mut program = Running::start(command.arg("-v").stderr(console.output()));
    console.wait_for("the live view", |screen| {
        screen.alternate_screen() && screen.contents().contains("showing")
    });
    console.press("q");
    assert!(program.child.wait().expect("it is ours").success());
    console.assert_left_whole();
    console.wait_for("all of it", |screen| {
        let text = screen.contents();
        ["privileges given up", "watching execs", "the map was at its fullest"]
            .iter()
            .all(|part| text.contains(part))
    });
}

#[test]
fn it_ends_with_its_terminal() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    let watcher = console.start(&PROCESSES);
    drop(console);
    let (_, stderr) = watcher.end();
    assert!(!stderr.contains("panic"), "{stderr}");
}

#[test]
fn without_keys_it_says_so_and_without_colours_has_none() {
    let _machine = share_machine();
    let console = Console::open(80, 24);
    let mut command = watcher_command(Tracefs::Mounted, &PROCESSES);
    console.attach(&mut command);
    let watcher = console.run({
        command.stdin(Stdio::null()).env("NO_COLOR", "1");
        command
    });
    console.wait_for_text("no keys: Ctrl-C ends it");
    console.wait_for("no colour", |screen| {
        let mut cells = (0..24).flat_map(|y| (0..80).filter_map(move |x| screen.cell(y, x)));
        cells.all(|cell| cell.fgcolor() == vt100::Color::Default)
    });
    assert_account(&watcher.finish());
    console.assert_left_whole();
}

#[test]
fn a_terminal_that_can_do_nothing_gets_plain_lines() {
    let _machine = share_machine();
    for view in ["processes", "commands"] {
        let (terminal, tty) = Terminal::open(80, 24);
        let options = ["--view", view, "--period", "0.1", "--duration", "0.5", "--color", "never"];
        let mut command = watcher_command(Tracefs::Mounted, &options);
        command.env("TERM", "dumb");
        let watcher = Watcher::spawn_into(tty, command);
        run_to_end(&mut play(&["exit", "0"]));
        assert_account(&watcher.wait());
        let lines = terminal.lines(&[]);
        assert!(lines.iter().any(|line| line.trim_end().ends_with(" COMMAND")), "{lines:?}");
        lines.iter().for_each(|line| assert_cannot_drive(line));
    }
}

#[test]
fn commands_are_counted_by_name_once_a_period() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--view", "commands", "--period", "0.2", "-n", "counted"]);
    let running = Running::start(&mut play(&["sleep", "counted"]));
    for code in ["0", "3"] {
        run_to_end(&mut play(&["exit", code, "counted"]));
    }
    let of_actor = |line: &Value| {
        let mut rows = line["commands"].as_array().into_iter().flatten();
        rows.find(|row| row["comm"] == "actor").cloned()
    };
    watcher.wait_for("a failure", |line| of_actor(line).is_some_and(|row| row["failures"] == 1));
    drop(running);
    let mut was_running = false;
    watcher.wait_for("its end", |line| {
        let row = of_actor(line);
        was_running |= row.as_ref().is_some_and(|row| row["running"].as_u64() >= Some(1));
        was_running && row.is_none_or(|row| row["running"] == 0)
    });
    let run = watcher.finish();
    let rows: Vec<_> = run.events.iter().filter_map(of_actor).collect();
    let sum = |field: &str| rows.iter().filter_map(|row| row[field].as_u64()).sum::<u64>();
    assert_eq!((sum("starts"), sum("failures")), (3, 2), "{rows:?}");
    let last = rows.last().expect("rows");
    assert!(last["p50_duration_ns"].as_u64() <= last["p99_duration_ns"].as_u64(), "{last}");
}

#[test]
fn a_list_keeps_its_period_in_a_storm() {
    let _machine = own_machine();
    for view in ["processes", "commands"] {
        let options = ["--view", view, "--period", "0.5", "--max-entries", "16"];
        let watcher = Watcher::start(&options);
        let mut storm = storm_for(3, 4, 0);
        assert!(storm.child.wait().expect("it is ours").success());
        let run = watcher.finish();
        assert_account(&run);
        let lists = run.events.iter().filter(|line| line["event"] == view).count() as u64;
        let end = run.events.last().expect("an end");
        let number = |field: &str| end[field].as_u64().expect("a number");
        let periods = number("run_time_ns") / 475_000_000;
        // A read takes no more than the map holds, so there were far more reads than periods.
        let taken = number("hidden") + number("reported_execs") + number("reported_exits");
        assert!(taken > 2 * periods * number("capacity"), "{end}");
        // One soon after the beginning, and one at the end.
        assert!((2..=periods + 2).contains(&lists), "{lists} in {end}");
    }
}
