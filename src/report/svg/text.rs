//! What the picture says in words. Users choose most of it: [`Word`] makes controls visible, and
//! [`Escaped`] keeps the rest from being taken for the picture's own.

use std::fmt::{self, Write as _};

use unicode_width::UnicodeWidthStr as _;

use super::scale::Scale;
use crate::process::tree::{Node, Run, Tree};
use crate::process::wait_status::Outcome;
use crate::report::columns::cut;
use crate::report::units::{format_duration, format_memory, format_outcome};
use crate::report::word::{CUT, Word};

/// Of the programs that ran in a process before its last one, so many are told.
const MOST_EARLIER: usize = 8;

/// Text as XML has it.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let is_special = |c: char| {
            matches!(c, '&' | '<' | '>' | '"' | '\'' | '\u{fffe}' | '\u{ffff}')
                || (c.is_control() && c != '\n')
        };
        while let Some(at) = rest.find(is_special) {
            let (plain, special) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = special.chars();
            f.write_str(match chars.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                // XML 1.0 has no way to write the others.
                _ => "\u{fffd}",
            })?;
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// The command line as a shell would take it, in so many columns; `[comm]` where it is not known.
pub fn command(run: &Run, columns: usize) -> String {
    command_of(run, columns, |at, arg| {
        (if at == 0 { Word::first(arg) } else { Word::new(arg) }).to_string()
    })
}

/// The same for a place that is narrow: without the folder of the program, and without quotes
/// around what would be read in the same way.
fn short_command(run: &Run, columns: usize) -> String {
    let text = command_of(run, columns, short_word);
    let Some(program) = run.program.as_ref().filter(|_| text.ends_with(CUT)) else { return text };
    // The last word mostly is the file that it works on, and tells more than options.
    let last = program.args().last().filter(|last| last.len() <= columns / 2);
    let last = last.filter(|last| !last.starts_with(b"-") && !program.args_truncated());
    match last.map(|last| short_word(1, last)).filter(|last| last.width() <= columns / 2) {
        Some(last) => command_of(run, columns - last.width() - 1, short_word) + " " + &last,
        None => text,
    }
}

fn short_word(at: usize, arg: &[u8]) -> String {
    let is_folder = |&byte: &u8| byte == b'/';
    let name = arg.rsplit(is_folder).next().filter(|_| at == 0).unwrap_or(arg);
    match std::str::from_utf8(name) {
        Ok(text) if !text.is_empty() && text.bytes().all(|c| c.is_ascii_graphic()) => text.into(),
        _ => Word::new(name).to_string(),
    }
}

fn command_of(run: &Run, columns: usize, word: impl Fn(usize, &[u8]) -> String) -> String {
    let args = run.program.iter().flat_map(|program| program.args());
    let mut text = String::new();
    for (at, arg) in args.enumerate() {
        // One may have thousands of arguments, of which few can be seen.
        if text.len() > columns.saturating_mul(4) {
            break;
        }
        text.push_str(if at == 0 { "" } else { " " });
        text.push_str(&word(at, arg));
    }
    if text.is_empty() {
        text = format!("[{}]", Word::new(&run.comm));
    }
    if run.program.as_ref().is_some_and(|program| program.args_truncated()) {
        text.push(CUT);
    }
    cut(&mut text, columns);
    text
}

/// A text for a place that is so wide: how it begins, or nothing where that would tell nothing.
pub fn fitting(run: &Run, columns: usize) -> Option<String> {
    const TELLING: usize = 4;
    let text = short_command(run, columns);
    (columns >= TELLING || (text.width() <= columns && !text.ends_with(CUT))).then_some(text)
}

/// What is known of a process, in some lines; of its command so many columns.
pub fn about(tree: &Tree, scale: &Scale, node: &Node, columns: usize) -> String {
    let mut text = String::new();
    let last = node.last_run();
    if let Some(run) = last {
        let fork = if run.forked { "(fork) " } else { "" };
        let _ = writeln!(text, "{fork}{}", command(run, columns));
    }
    let earlier = node.runs.len().saturating_sub(1);
    for run in node.runs.iter().take(earlier.min(MOST_EARLIER)) {
        let _ = writeln!(text, "before: {}", command(run, columns));
    }
    if earlier > MOST_EARLIER {
        let _ = writeln!(text, "and {} programs more", earlier - MOST_EARLIER);
    }
    let _ = write!(text, "pid {}", node.process.pid);
    if let Some(run) = last {
        match &run.user {
            Some(user) => write!(text, ", user {}", Word::new(user.as_bytes())),
            None => write!(text, ", uid {}", run.uid),
        }
        .unwrap_or_default();
    }
    let (_, end) = tree.span(node);
    let started = tree.started(node);
    let since = format_duration(scale.since_begin(started));
    let life = format_duration(end.saturating_sub(started));
    let _ = match started {
        0 => write!(text, "\nits start was not seen"),
        start if start < tree.begin => write!(text, "\nwas running before, ran for {life}"),
        _ => write!(text, "\nstarted at {since}, ran for {life}"),
    };
    let _ = match node.cpu_ns {
        Some(cpu_ns) => write!(text, "\nCPU {}", format_duration(cpu_ns)),
        None => write!(text, "\nCPU not known"),
    };
    if !node.children.is_empty() {
        let _ = write!(text, ", with all below {}", format_duration(node.subtree_cpu_ns));
    }
    if let Some(kib) = node.usage.and_then(|usage| usage.max_rss_kib) {
        let _ = write!(text, ", memory {}", format_memory(kib));
    }
    let _ = write!(text, "\n{}", status(node));
    text
}

/// How a process ended.
pub fn status(node: &Node) -> String {
    match (node.end, node.outcome) {
        (None, _) if node.start() == 0 => "its end was not seen".into(),
        (None, _) => "still running".into(),
        (Some(_), None) => "its end was not seen".into(),
        (_, Some(Outcome::Exited(0))) => "exit code 0".into(),
        (_, Some(Outcome::Exited(code))) => format!("failed: exit code {code}"),
        (_, Some(Outcome::Signaled { core_dumped, .. })) => {
            let core = if core_dumped { ", core dumped" } else { "" };
            format!("failed: {}{core}", format_outcome(node.outcome))
        }
    }
}

/// A number, and what is counted: `1 process`, `12 processes`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::record::Program;

    #[test]
    fn a_label_keeps_the_file_that_a_command_works_on() {
        let run = |words: &str| {
            let argv = words.replace(' ', "\0").into_bytes();
            let program = Some(Program::new(None, argv.clone(), argv.len()).into());
            let (comm, user) = (b"gcc".as_slice().into(), None);
            Run { begin: 0, forked: false, comm, program, uid: 0, user }
        };
        let gcc = run("/usr/bin/gcc -O2 -Wall -c -o lapi.o lapi.c");
        assert_eq!(fitting(&gcc, 99).as_deref(), Some("gcc -O2 -Wall -c -o lapi.o lapi.c"));
        assert_eq!(fitting(&gcc, 20).as_deref(), Some("gcc -O2 -Wal… lapi.c"));
        assert_eq!(fitting(&gcc, 12).as_deref(), Some("gcc … lapi.c"));
        assert_eq!(fitting(&gcc, 11).as_deref(), Some("gcc -O2 -W…"));
        assert_eq!(fitting(&run("gcc -o lua lua.o -ldl"), 12).as_deref(), Some("gcc -o lua …"));
    }

    #[test]
    fn nothing_is_taken_for_markup() {
        assert_eq!(Escaped("a<b>&'\"").to_string(), "a&lt;b&gt;&amp;&#39;&quot;");
        assert_eq!(
            Escaped("\u{0}\u{1b}\u{ffff}\u{85}é\n").to_string(),
            "\u{fffd}\u{fffd}\u{fffd}\u{fffd}é\n"
        );
    }
}
