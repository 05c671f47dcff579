//! Runs every command of docs/recipes.md, and looks for the output that is shown. Needs root;
//! without it, the test fails.
//!
//! - A block of `sh` runs after all blocks before it in the same shell, and must end with status 0.
//!   It has `--duration 2`, whatever duration the document has. While it runs, what a line
//!   `<!-- meanwhile: … -->` before it says is done over and over.
//! - Each line of a block of `text` is among what the block before has printed, in this order. `…`
//!   stands for any others; what varies is named as in docs/lesson.md (tests/lesson).
//! - The steps of a block of `yaml` that are commands run, in a folder with a small project.
//!
//! In place of Docker, there is a cgroup of a container's name (tests/recipes/bin).

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod container;
#[allow(dead_code, reason = "the lesson names places, too")]
#[path = "../lesson/document.rs"]
mod document;
#[path = "../lesson/output.rs"]
mod output;
#[path = "../support/program.rs"]
mod program;
#[allow(dead_code, reason = "the lesson looks for bpftool")]
#[path = "../lesson/shell.rs"]
mod shell;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use container::Container;
use document::Block;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use output::Pattern;
use regex::Regex;
use shell::Shell;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recipes/bin");

/// A folder with a project, and with this program where a workflow has built it.
fn work_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an earlier test has left");
    }
    let release = folder.join("kernel_and_user_map/target/release");
    fs::create_dir_all(&release).expect("a folder");
    let program = release.join("kernel_and_user_map");
    symlink(program::program(), program).expect("a link");
    fs::write(folder.join("kernel_and_user_map/Makefile"), "all:\n").expect("a file");
    let project = "all:\n\tsleep 0.05; ls /nowhere 2>/dev/null || true\n\tcp Makefile copy\n";
    fs::write(folder.join("Makefile"), project).expect("a file");
    folder
}

/// Where the programs of the test and this program are: before all others.
fn programs(folder: &Path) -> PathBuf {
    let duckdb = Path::new(env!("CARGO_TARGET_TMPDIR")).join("duckdb");
    let install = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/install-python");
    let status = Command::new(install).arg(&duckdb).arg("duckdb-cli==1.5.6").status();
    assert!(status.expect("there is a shell").success(), "DuckDB can't be had, see above");
    let programs = folder.join("bin");
    fs::create_dir(&programs).expect("a folder");
    let own = fs::read_dir(HERE).expect("it is there").map(|entry| entry.expect("an entry").path());
    let all = own.chain([duckdb.join("bin/duckdb"), program::program()]);
    for program in all {
        let name = program.file_name().expect("a name");
        symlink(&program, programs.join(name)).expect("a link");
    }
    programs
}

/// What goes on while a block runs. It ends with this value.
struct Meanwhile(Child);

impl Meanwhile {
    fn begin(commands: &str, programs: &Path, container: &Container) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -c 0; while :; do {commands}; sleep 0.1; done")])
            .env("PATH", format!("{}:{path}", programs.display()))
            .envs(container.variables())
            .stderr(Stdio::null())
            .process_group(0);
        Self(command.spawn().expect("the shell starts"))
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

/// The commands of the steps.
fn commands_of(steps: &str) -> String {
    let runs =
        steps.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("run: "));
    runs.collect::<Vec<_>>().join(" &&\n") + "\n"
}

/// Whether each line that is shown is among those that were printed, in this order.
fn find_lines(shown: &str, varies: &str, printed: &str) -> Result<(), String> {
    let words = Regex::new(r#""[^"]*"\S*|\S+"#).expect("a regex");
    let bare = |word: &str| word.split(['<', '>']).next().unwrap_or_default().replace('"', "");
    let mut rest = printed.lines();
    for line in shown.lines().filter(|line| line.trim() != "…") {
        let of_line: Vec<_> = words
            .find_iter(varies)
            .map(|word| word.as_str())
            .filter(|word| line.contains(&bare(word)))
            .collect();
        let pattern = Pattern::new(&format!("{line}\n"), &of_line.join(" "))?;
        if !rest.any(|printed| pattern.check(&format!("{printed}\n")).is_ok()) {
            return Err(format!("this line is not printed, or not there: {line}"));
        }
    }
    Ok(())
}

#[test]
fn every_recipe_does_what_is_shown() {
    assert!(nix::unistd::geteuid().is_root(), "the recipes need root: run this with sudo");
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recipes.md"));
    let text = text.expect("the document");
    let duration = Regex::new("--duration [^ |\n]+").expect("a regex");
    let container = Container::create();
    let folder = work_folder();
    let programs = programs(&folder);
    let mut shell = Shell::start(&folder, &programs, &container.variables());
    let mut wrong = Vec::new();
    for (number, block) in document::blocks(&text) {
        let place = format!("docs/recipes.md:{number}");
        let (commands, shown, varies, meanwhile) = match block {
            Block::Heading => continue,
            Block::Patch(_) => panic!("{place}: no recipe is a patch"),
            Block::Steps(steps) => (commands_of(steps), None, "", None),
            Block::Run { commands, shown, varies, meanwhile } => {
                (commands.to_owned(), shown, varies, meanwhile)
            }
        };
        let commands = duration.replace_all(&commands, "--duration 2");
        let going_on =
            meanwhile.map(|meanwhile| Meanwhile::begin(meanwhile, &programs, &container));
        let (printed, status) = shell.run(&commands, &place);
        drop(going_on);
        let found = find_lines(shown.unwrap_or_default(), varies, &printed);
        let failed = (status != 0).then(|| format!("it ended with status {status}"));
        if let Some(why) = failed.or(found.err()) {
            let errors = shell.errors();
            wrong.push(format!("{place}: {why}\n--- printed\n{printed}\n--- on stderr\n{errors}"));
        }
    }
    drop(shell);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lines_are_found_in_their_order_and_only_what_varies_may_differ() {
    let printed = "head\n 12 a\n7 b\nend\n";
    for (shown, varies, is_found) in [
        ("5 a\n", "5", true),
        ("5 a\n…\nend\n", "5", true),
        ("5 a\n3 b\n", "5 3", true),
        ("3 b\n5 a\n", "5 3", false),
        ("5 a\n", "", false),
        ("12 a\n", "", true),
        ("5 a\n", "5<10", false),
        ("5 a\n", "5>10", true),
    ] {
        assert_eq!(find_lines(shown, varies, printed).is_ok(), is_found, "{shown} {varies}");
    }
}

#[test]
fn steps_are_their_commands() {
    let steps = "- uses: a/b@v4\n- run: make -C x\n- name: y\n  run: ls\n";
    assert_eq!(commands_of(steps), "make -C x &&\nls\n");
}
