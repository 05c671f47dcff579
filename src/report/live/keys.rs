//! Keys, from the bytes that a terminal sends for them.

/// A key that means something to the live view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Backspace,
    Esc,
    Tab,
    /// Ctrl-L: draw all anew.
    Redraw,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// The keys in what was typed. What means nothing is left out.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match (first, behind.first()) {
            (0x1b, Some(b'[' | b'O')) => {
                let sequence = &behind[1..];
                let end = sequence.iter().position(|byte| (0x40..0x7f).contains(byte));
                let Some(end) = end else { break };
                keys.extend(of_sequence(&sequence[..end], sequence[end]));
                rest = &sequence[end + 1..];
            }
            (0x1b, _) => keys.push(Key::Esc),
            (b'\r' | b'\n', _) => keys.push(Key::Enter),
            (b'\t', _) => keys.push(Key::Tab),
            (0x08 | 0x7f, _) => keys.push(Key::Backspace),
            (0x0c, _) => keys.push(Key::Redraw),
            (..0x20, _) => {}
            (0x20.., _) => {
                // A character of several bytes has others behind the first.
                let more = behind.iter().take_while(|&&byte| (0x80..0xc0).contains(&byte)).count();
                let (character, behind) =
                    bytes[bytes.len() - behind.len() - 1..].split_at(more + 1);
                let text = std::str::from_utf8(character).unwrap_or_default();
                keys.extend(text.chars().filter(|c| !c.is_control()).map(Key::Char));
                rest = behind;
            }
        }
    }
    keys
}

/// What stands behind `ESC [` or `ESC O`.
fn of_sequence(parameters: &[u8], last: u8) -> Option<Key> {
    Some(match (parameters, last) {
        (_, b'A') => Key::Up,
        (_, b'B') => Key::Down,
        (_, b'H') | (b"1" | b"7", b'~') => Key::Home,
        (_, b'F') | (b"4" | b"8", b'~') => Key::End,
        (b"5", b'~') => Key::PageUp,
        (b"6", b'~') => Key::PageDown,
        (_, b'Z') => Key::Tab, // with Shift: there are two views
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_terminals_are_understood() {
        use Key::*;
        for (bytes, expected) in [
            (&b"q"[..], &[Char('q')][..]),
            (b"\x1b", &[Esc]),
            (b"\x1b[A\x1bOB", &[Up, Down]),
            (b"\x1b[5~\x1b[6~", &[PageUp, PageDown]),
            (b"\x1b[H\x1bOH\x1b[1~\x1b[7~", &[Home, Home, Home, Home]),
            (b"\x1b[F\x1bOF\x1b[4~\x1b[8~", &[End, End, End, End]),
            (b"\t\x1b[Z\r\n\x7f\x08\x0c", &[Tab, Tab, Enter, Enter, Backspace, Backspace, Redraw]),
            ("äa日".as_bytes(), &[Char('ä'), Char('a'), Char('日')]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_means_nothing_does_no_harm() {
        for bytes in [
            &b"\x1b[<0;1;1M"[..], // a mouse
            b"\x1b[;~",
            b"\x1b[3",
            b"\x1b[",
            b"\x1bO",
            b"\xff\xfe\x80",
            b"\xe6\x97",
            b"\x00\x01\x1f",
        ] {
            assert_eq!(keys(bytes), [], "{bytes:?}");
        }
        assert_eq!(keys(b"\x1b\x1bx\xffy"), [Key::Esc, Key::Esc, Key::Char('x'), Key::Char('y')]);
        for first in 0..=255 {
            for second in 0..=255 {
                keys(&[0x1b, first, second, b'[']);
            }
        }
    }
}
