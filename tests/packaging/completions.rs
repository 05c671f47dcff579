//! The completions for bash, zsh and fish.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{NAME, long_options, made, run};

fn bash() -> PathBuf {
    made().prefix.join("share/bash-completion/completions").join(NAME)
}

fn zsh() -> PathBuf {
    made().prefix.join("share/zsh/site-functions").join(format!("_{NAME}"))
}

fn fish() -> PathBuf {
    made().prefix.join("share/fish/vendor_completions.d").join(NAME).with_extension("fish")
}

#[test]
fn each_shell_can_read_its_own() {
    for (shell, file) in [("bash", bash()), ("zsh", zsh()), ("fish", fish())] {
        run(Command::new(shell).arg("-n").arg(file));
    }
}

#[test]
fn each_has_every_long_option() {
    let read = |path| fs::read_to_string(path).expect("it is installed");
    let (bash, zsh, fish) = (read(bash()), read(zsh()), read(fish()));
    for option in long_options() {
        let name = option.trim_start_matches('-');
        assert!(
            bash.contains(&format!(" {option} ")) || bash.contains(&format!(" {option}\"")),
            "bash: {option}"
        );
        assert!(
            zsh.contains(&format!("{option}[")) || zsh.contains(&format!("{option}=[")),
            "zsh: {option}"
        );
        assert!(fish.contains(&format!(" -l {name} ")), "fish: {option}");
    }
}

#[test]
fn bash_completes_options_values_and_files() {
    // As readline does it: the function is told the command, the word and the one before.
    const COMPLETE: &str = r#"
        . "$0"
        function=$(complete -p kernel_and_user_map | sed 's/.* -F \([^ ]*\) .*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let complete = |words: &[&str]| {
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", COMPLETE]).arg(bash()).arg(NAME).args(words).current_dir("/");
        run(&mut command).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["--vi"]), ["--view"]);
    assert_eq!(complete(&["--failed", "--min"]), ["--min-duration"]);
    assert_eq!(complete(&["--view", "pr"]), ["processes"]);
    assert_eq!(complete(&["--to", "et"]), ["etc"]);
}

#[test]
fn fish_completes_options_and_values() {
    let complete = |line: &str| {
        let script = format!("source {}; complete -C '{NAME} {line}'", fish().display());
        let printed = run(Command::new("fish").args(["--no-config", "-c", &script]));
        printed
            .lines()
            .filter_map(|line| Some(line.split('\t').next()?.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(complete("--vi"), ["--view"]);
    assert_eq!(complete("--view pr"), ["processes"]);
}
