//! Runs every command of docs/lesson.md, in a copy of the repository, and compares the output
//! with the one that is shown. Needs root; without it, the test fails.
//!
//! The blocks of the document mean:
//!
//! | block | the test |
//! |---|---|
//! | `sh` | runs it, after all blocks before it in the same shell |
//! | `text` | is the output (on stdout) of the block before; without one, that block must end with status 0 |
//! | `diff` | is applied to the copy, until the next heading |
//!
//! Blanks count as one blank. What differs from run to run is named before a `text` block:
//! `<!-- varies: 7331 "568 µs" 3<50 74>0 -->`. Where the document shows 7331 another number
//! may stand, but the same at each place; for "568 µs" any two words; 3 is a number below 50, 74 one
//! above 0. Whole numbers without a bound are names (pids, keys): no two of them become one.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod document;
mod output;
#[path = "../support/program.rs"]
mod program;
mod shell;
mod tree;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use document::Block;
use output::Pattern;
use shell::Shell;

#[test]
fn every_command_of_the_lesson_does_what_is_shown() {
    assert!(nix::unistd::geteuid().is_root(), "the lesson needs root: run this with sudo");
    let bpftool =
        shell::find("bpftool").expect("bpftool is missing: scripts/install-packages test");

    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lesson");
    let copy = folder.join("repository");
    tree::copy(source, &copy);
    tree::make_builds_short(&folder, &copy);

    let text = fs::read_to_string(source.join("docs/lesson.md")).expect("the document");
    let mut shell = Shell::start(&copy, &copy.join("tests/lesson"), &[("BPFTOOL", &bpftool)]);
    let mut patched = false;
    let mut wrong = Vec::new();
    for (number, block) in document::blocks(&text) {
        let place = format!("docs/lesson.md:{number}");
        match block {
            Block::Heading if patched => {
                tree::copy(source, &copy);
                patched = false;
            }
            Block::Heading => {}
            Block::Patch(patch) => {
                tree::apply(patch, &copy).unwrap_or_else(|error| panic!("{place}: {error}"));
                patched = true;
            }
            Block::Steps(_) => panic!("{place}: the lesson has no workflow"),
            Block::Run { commands, shown, varies, .. } => {
                let (printed, status) = shell.run(commands, &place);
                match shown {
                    None => {
                        let errors = shell.errors();
                        assert_eq!(status, 0, "{place}: the block failed:\n{printed}{errors}");
                    }
                    Some(shown) => {
                        let pattern = Pattern::new(shown, varies);
                        if let Err(why) = pattern.and_then(|pattern| pattern.check(&printed)) {
                            let errors = shell.errors();
                            wrong.push(format!(
                                "{place}: {why}\n--- shown\n{shown}--- printed\n{printed}\
                                 --- on stderr\n{errors}"
                            ));
                        }
                    }
                }
            }
        }
    }
    drop(shell);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Built by root; whoever owns the repository must be able to clean up.
    let owner = format!("--reference={}", source.display());
    let status = Command::new("chown").args(["-R", &owner]).arg(&folder).status().expect("chown");
    assert!(status.success());
}

#[test]
fn what_the_lesson_names_stands_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/lesson.md")).expect("the document");
    let places = document::places(&text);
    assert!(places.len() >= 8, "each step tells where its cure stands");
    for (number, words) in places {
        let (files, names): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.contains('/'));
        let read = |file: &&str| {
            fs::read_to_string(root.join(file)).unwrap_or_else(|error| {
                panic!("docs/lesson.md:{number}: {file}: {error}");
            })
        };
        let sources: Vec<_> = files.iter().copied().map(read).collect();
        for name in names {
            let found = sources.iter().any(|source| source.contains(*name));
            assert!(found, "docs/lesson.md:{number}: {name} is in none of {files:?}");
        }
    }
}
