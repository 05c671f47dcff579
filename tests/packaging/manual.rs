//! The manual page.

use std::process::Command;

use crate::{NAME, long_options, made, run};

/// The page as a terminal shows it, without bold and underlines.
fn rendered() -> String {
    let page = made().prefix.join("share/man/man8").join(NAME).with_extension("8");
    let mut groff = Command::new("groff");
    // Whatever groff finds odd is said on stderr, which must be empty of warnings.
    run(groff.args(["-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=100n"]).arg(page))
}

#[test]
fn the_page_has_every_section_and_option_and_groff_finds_nothing_odd() {
    let text = rendered();
    let headings: Vec<_> =
        text.lines().filter(|line| line.starts_with(char::is_alphabetic)).collect();
    let [_, sections @ .., _] = &headings[..] else { panic!("{headings:?}") };
    let expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "SIGNALS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ];
    assert_eq!(sections, expected);
    for option in long_options() {
        assert!(text.contains(&option), "{option}: {text}");
    }
    for variable in ["NO_COLOR", "LC_ALL", "LANG", "TZ", "SUDO_UID"] {
        assert!(text.contains(variable), "{variable}");
    }
}

/// Each command among the examples, without its COMMAND, is one that the program takes.
#[test]
fn the_examples_are_no_bad_input() {
    let text = rendered();
    let (_, examples) = text.split_once("\nEXAMPLES\n").expect("the section");
    let (examples, _) = examples.split_once("\nSEE ALSO\n").expect("the next one");
    let commands: Vec<_> =
        examples.lines().map(str::trim).filter(|line| line.starts_with(NAME)).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        // Where options make no sense, it says so before it prints its version.
        let line = command.replacen(NAME, "\"$0\" --version", 1);
        let program = made().prefix.join("bin").join(NAME);
        let printed = run(Command::new("sh").args(["-c", &line]).arg(program));
        assert!(printed.starts_with(NAME), "{command}: {printed}");
    }
}
