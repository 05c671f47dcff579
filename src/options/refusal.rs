//! What is said of a command line that makes no sense: one line, with what to do.

use std::process;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::system::stderr;

/// Ends the program: with status 0 where it was asked for its help or version, else with 2.
pub fn refuse(error: &clap::Error) -> ! {
    if error.use_stderr() {
        stderr::print(format_args!("kernel_and_user_map: {}\n", one_line(error)));
    } else {
        let _ = error.print();
    }
    process::exit(error.exit_code())
}

/// What clap says in several paragraphs, without the usage: that is what --help is for.
fn one_line(error: &clap::Error) -> String {
    let mut line = String::new();
    for more in error.render().to_string().lines().map(str::trim) {
        if more.starts_with("Usage:") || more.starts_with("For more information") {
            break;
        }
        // What stands behind `--` is a COMMAND, and no value.
        if !more.is_empty() && !more.starts_with("tip: to pass") {
            let is_first = line.is_empty();
            line += if is_first {
                ""
            } else if more.starts_with('[') {
                " "
            } else {
                "; "
            };
            line += more;
        }
    }
    let is_word = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(word)) if !word.starts_with('-')
    );
    if error.kind() == ErrorKind::UnknownArgument && is_word {
        line += "; a COMMAND stands behind `--`, as in: kernel_and_user_map -- make";
    }
    line += " (--help lists the options)";
    line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
