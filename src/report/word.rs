//! Texts that users choose (arguments, names), so that each looks like what it is.

use std::fmt::{self, Write as _};
use std::ops::Range;

use os_display::Quoted;

use super::charset::{ASCII_CUT, Charset};

/// What stands where text was cut off.
pub const CUT: char = '…';

/// More marks than this on one character are no writing of any language. They would cost no
/// column, so a line of any length would fit into any window.
const MOST_MARKS: usize = 8;

/// Bytes as a shell would take them. Controls, what is not UTF-8, and what a terminal shows
/// nothing of become escapes; what could be taken for our own marks is in quotes.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    bytes: &'a [u8],
    is_first: bool,
    charset: Charset,
}

impl<'a> Word<'a> {
    /// An argument or a name.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, is_first: false, charset: Charset::Utf8 }
    }

    /// The first of a command line, where `@` marks a container.
    pub fn first(bytes: &'a [u8]) -> Self {
        Self { is_first: true, ..Self::new(bytes) }
    }

    /// In these characters: others become escapes, too.
    pub fn in_charset(self, charset: Charset) -> Self {
        Self { charset, ..self }
    }

    /// Whether it could be taken for one of our marks.
    fn has_mark(self) -> bool {
        let has_cut = || std::str::from_utf8(self.bytes).is_ok_and(|text| text.contains(CUT));
        (self.is_first && self.bytes.starts_with(b"@"))
            || (self.charset == Charset::Ascii && self.bytes.contains(&(ASCII_CUT as u8)))
            || (!self.bytes.is_ascii() && has_cut())
    }

    /// Adds it to a line, as it is displayed. Of nearly all, one look at each byte tells how.
    pub fn push_to(self, line: &mut String) {
        let classes = self.bytes.iter().map(|&byte| CLASSES[usize::from(byte)]);
        let all =
            classes.fold(if self.bytes.is_empty() { OTHER } else { PLAIN }, |all, it| all | it);
        match std::str::from_utf8(self.bytes) {
            Ok(text) if all == PLAIN && !(self.is_first && text.starts_with('@')) => {
                line.push_str(text);
            }
            Ok(text) if all == QUOTED => line.extend(["'", text, "'"]),
            _ => {
                let _ = write!(line, "{self}"); // writing to a String does not fail
            }
        }
    }
}

/// How a shell takes a byte: as itself wherever it stands, as itself in single quotes alone, or in
/// a way that is to be looked at more closely. One bit each, so that those of a word add up.
const PLAIN: u8 = 0;
const QUOTED: u8 = 1;
const OTHER: u8 = 2;

const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => PLAIN,
            b'%' | b'+' | b',' | b'-' | b'.' | b'/' | b':' | b'@' | b'_' => PLAIN,
            b' ' | b'"' | b'$' | b'&' | b'(' | b')' | b'*' | b';' | b'<' | b'=' | b'>' => QUOTED,
            b'?' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => QUOTED,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts =
            if self.bytes.is_ascii() { Vec::new() } else { parts_of(self.bytes, self.charset) };
        if parts.iter().all(|part| !part.is_unseen) {
            return write!(f, "{}", Quoted::unix_raw(self.bytes).force(self.has_mark()));
        }
        // A shell joins what stands together.
        for Part { range, is_unseen } in parts {
            let bytes = &self.bytes[range];
            if !is_unseen {
                write!(f, "{}", Quoted::unix_raw(bytes))?;
                continue;
            }
            f.write_str("$'")?;
            bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))?;
            f.write_str("'")?;
        }
        Ok(())
    }
}

struct Part {
    range: Range<usize>,
    /// Whether a terminal shows nothing of its characters, or they pile up, or it has none such.
    is_unseen: bool,
}

/// In one pass, since a word may have thousands of parts.
fn parts_of(bytes: &[u8], charset: Charset) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    let mut add = |len: usize, is_unseen: bool| {
        match parts.last_mut() {
            Some(part) if part.is_unseen == is_unseen => part.range.end += len,
            _ => parts.push(Part { range: at..at + len, is_unseen }),
        }
        at += len;
    };
    for chunk in bytes.utf8_chunks() {
        // At the beginning, marks would change what stands before.
        let mut marks = MOST_MARKS;
        for c in chunk.valid().chars() {
            marks = if is_mark(c) { marks + 1 } else { 0 };
            let is_foreign = !charset.has(c);
            let is_unseen = is_foreign || is_unseen(c) || marks > MOST_MARKS;
            if is_unseen {
                marks = MOST_MARKS; // behind an escape likewise
            }
            add(c.len_utf8(), is_unseen);
        }
        if !chunk.invalid().is_empty() {
            add(chunk.invalid().len(), false);
        }
    }
    parts
}

fn is_mark(c: char) -> bool {
    use unicode_width::UnicodeWidthChar as _;
    c.width() == Some(0)
}

/// Whether a terminal shows nothing of a character (`Default_Ignorable_Code_Point` in Unicode,
/// and the annotations). Among them are all that change the direction of a text: with those, a
/// part of a line can be shown before what it follows.
pub fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: impl AsRef<[u8]>) -> String {
        Word::new(bytes.as_ref()).to_string()
    }

    #[test]
    fn what_looks_like_our_marks_is_in_quotes() {
        assert_eq!(word("cut…"), "'cut…'");
        assert_eq!(word("…'"), "\"…'\"");
        assert_eq!(word("@0123456789ab"), "@0123456789ab");
        assert_eq!(Word::first(b"@0123456789ab").to_string(), "'@0123456789ab'");
        assert_eq!(Word::first(b"ls").to_string(), "ls");
        assert_eq!(word("[kworker/0:1]"), "'[kworker/0:1]'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn what_is_added_to_a_line_is_what_is_displayed() {
        let pairs = (0..=u16::MAX).map(|pair| pair.to_be_bytes().to_vec());
        for bytes in pairs.chain((0..=u8::MAX).map(|byte| vec![byte])).chain([vec![]]) {
            for charset in [Charset::Utf8, Charset::Ascii] {
                for word in [Word::new(&bytes), Word::first(&bytes)] {
                    let word = word.in_charset(charset);
                    let mut line = "x".to_owned();
                    word.push_to(&mut line);
                    assert_eq!(line, format!("x{word}"), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_changes_the_direction_of_a_line() {
        assert_eq!(word("a\u{202e}b"), r"'a'$'\xE2\x80\xAE''b'");
        // Balanced as well: a window may cut between the two.
        assert_eq!(word("\u{202e}b\u{202c}"), r"$'\xE2\x80\xAE''b'$'\xE2\x80\xAC'");
        assert_eq!(word("\u{2067}\u{200f}"), r"$'\xE2\x81\xA7\xE2\x80\x8F'");
        assert_eq!(word(b"\xff\xd8\x9ca"), r"$'\xFF'$'\xD8\x9C''a'");
    }

    #[test]
    fn a_word_of_thousands_of_parts_takes_one_pass() {
        let parts = parts_of("a\u{ad}".repeat(10_000).as_bytes(), Charset::Utf8);
        assert_eq!(parts.len(), 20_000);
        assert_eq!(parts.last().map(|part| part.range.clone()), Some(29_998..30_000));
    }

    #[test]
    fn nothing_is_there_unseen() {
        assert_eq!(word("l\u{200b}s"), r"'l'$'\xE2\x80\x8B''s'");
        assert_eq!(word("\u{e0041}"), r"$'\xF3\xA0\x81\x81'");
        assert_eq!(word("\u{301}e"), r"$'\xCC\x81''e'");
    }

    #[test]
    fn writing_of_all_languages_stays_readable() {
        for text in ["é", "e\u{301}", "日本語", "שָׁלוֹם", "ไม่", "नमस्ते", "👍🏽"]
        {
            assert_eq!(word(text), text);
        }
    }

    #[test]
    fn in_ascii_all_else_is_escaped_and_our_mark_in_quotes() {
        let word = |text: &str| Word::new(text.as_bytes()).in_charset(Charset::Ascii).to_string();
        assert_eq!(word("na\u{ef}ve"), r"'na'$'\xC3\xAF''ve'");
        assert_eq!(word("…"), r"$'\xE2\x80\xA6'");
        assert_eq!(word("cut~"), "'cut~'");
        assert_eq!(word("ls"), "ls");
        assert!(word("日本語 שלום e\u{301}\u{202e}~").is_ascii());
    }

    #[test]
    fn marks_do_not_pile_up() {
        let piled = word(format!("a{}b", "\u{301}".repeat(100)));
        assert_eq!(piled.matches('\u{301}').count(), MOST_MARKS);
        assert_eq!(piled.matches(r"\xCC\x81").count(), 100 - MOST_MARKS);
        assert!(piled.ends_with("'b'"), "{piled}");
    }
}
