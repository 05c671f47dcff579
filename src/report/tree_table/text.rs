//! Texts that users choose, in so many columns.

use unicode_width::UnicodeWidthStr as _;

use crate::process::tree::{Node, Run};
use crate::report::charset::Charset;
use crate::report::columns::{cut, push_command as push_whole};
use crate::report::tree_summary::program_name;
use crate::report::word::{CUT, Word};

/// Behind a text of Hebrew or Arabic letters, a terminal may show what follows from right to
/// left. This mark, which nobody sees, ends that; in front it keeps the line in its order.
const LEFT_TO_RIGHT: &str = "\u{200e}";

/// Of a command line that is known by a part only, so many times its columns are looked at, in
/// bytes: thousands may have an ancestor with a long one.
const BYTES_PER_COLUMN: usize = 4;

/// Adds text, in at most so many columns.
pub fn push(line: &mut String, mut text: String, columns: Option<usize>) {
    if let Some(columns) = columns {
        cut(&mut text, columns);
    }
    let mark = if text.contains(is_right_to_left) { LEFT_TO_RIGHT } else { "" };
    line.extend([mark, &text, mark]);
}

/// Whether a letter may be one of a script that is written from right to left: the blocks that
/// Unicode has for such scripts.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Adds the command of what a process ran last.
///
/// Where it is too long, the folder of its program goes first. The last word, which mostly is the
/// file that it works on, stays if it takes no more than half of the columns.
pub fn push_command(line: &mut String, node: &Node, columns: Option<usize>, charset: Charset) {
    let Some(run) = node.last_run() else { return };
    let mut whole = String::new();
    push_whole(&mut whole, run.program.as_deref(), &run.comm, run.forked, charset);
    match columns {
        Some(columns) if whole.width() > columns => push_parts(line, run, columns, charset),
        _ => push(line, whole, None),
    }
}

/// Adds the beginning of a command, from the name of its program on.
pub fn push_beginning(line: &mut String, node: &Node, columns: usize, charset: Charset) {
    if let Some(run) = node.last_run() {
        push(line, without_folder(run, columns, usize::MAX, charset), Some(columns));
    }
}

fn push_parts(line: &mut String, run: &Run, columns: usize, charset: Charset) {
    let program = run.program.as_ref().filter(|program| !program.args_truncated());
    let count = program.map_or(0, |program| program.args().count());
    let last = program.and_then(|program| program.args().last());
    let last = last.filter(|last| count > 2 && last.len() <= columns * BYTES_PER_COLUMN);
    let last = last.map(|last| Word::new(last).in_charset(charset).to_string());
    match last.filter(|last| last.width() <= columns / 2) {
        Some(last) => {
            let mut text = without_folder(run, columns, count - 1, charset);
            cut(&mut text, columns - last.width() - 1);
            push(line, text + " " + &last, Some(columns));
        }
        None => push(line, without_folder(run, columns, usize::MAX, charset), Some(columns)),
    }
}

/// At most so many words of a command, and not much more than fit, without the folder of its
/// program.
fn without_folder(run: &Run, columns: usize, words: usize, charset: Charset) -> String {
    let mut text = String::new();
    let Some(program) = run.program.as_ref().filter(|program| program.args().next().is_some())
    else {
        push_whole(&mut text, None, &run.comm, run.forked, charset);
        return text;
    };
    if run.forked {
        text.push_str("(fork) ");
    }
    let most = columns * BYTES_PER_COLUMN;
    text += &Word::first(beginning(program_name(run), most)).in_charset(charset).to_string();
    for arg in program.args().take(words).skip(1) {
        text.push(' ');
        text += &Word::new(beginning(arg, most)).in_charset(charset).to_string();
        if arg.len() > most || text.len() > most {
            text.push(CUT);
            return text;
        }
    }
    if program.args_truncated() {
        text.push(CUT);
    }
    text
}

fn beginning(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::record::{ProcessId, Program};

    /// What is shown of an argv, in so many columns.
    fn shown(argv: &[u8], columns: usize) -> String {
        let program = Some(Program::new(None, argv.to_vec(), argv.len()));
        let comm = b"comm".as_slice().into();
        let run = Run {
            begin: 0,
            forked: false,
            comm,
            program: program.map(Into::into),
            uid: 0,
            user: None,
        };
        let node = Node {
            process: ProcessId { pid: 1, start_time: 1 },
            parent: None,
            children: Vec::new(),
            runs: vec![run],
            end: None,
            outcome: None,
            usage: None,
            cpu_ns: None,
            subtree_cpu_ns: 0,
        };
        let mut line = String::new();
        push_command(&mut line, &node, Some(columns), Charset::Utf8);
        line
    }

    #[test]
    fn a_command_that_fits_is_whole() {
        assert_eq!(shown(b"/usr/bin/cc\0-c\0a.c\0", 18), "/usr/bin/cc -c a.c");
    }

    #[test]
    fn the_folder_of_the_program_goes_first() {
        assert_eq!(shown(b"/usr/bin/cc\0-c\0a.c\0", 17), "cc -c a.c");
        assert_eq!(shown(b"/usr/bin/\xd7\xa9\0-c\0", 6), "\u{200e}\u{5e9} -c\u{200e}");
    }

    #[test]
    fn the_last_word_stays_where_it_is_short() {
        let argv = b"/usr/lib/cc1\0-quiet\0-O2\0-Wall\0src/a.c\0";
        assert_eq!(shown(argv, 20), "cc1 -quiet … src/a.c");
        assert_eq!(shown(argv, 13), "cc1 -quiet -…");
        assert_eq!(shown(b"sh\0-c\0a script of some length\0", 20), "sh -c 'a script of …");
    }

    #[test]
    fn no_text_of_any_length_takes_more_columns_or_long() {
        let long = [b"x ".repeat(50_000), vec![0; 50_000], b"\xff".repeat(20_000)].concat();
        for columns in [1, 2, 11, 37, 200] {
            assert!(shown(&long, columns).width() <= columns);
            assert!(shown("\u{301}".repeat(999).as_bytes(), columns).width() <= columns);
        }
    }
}
