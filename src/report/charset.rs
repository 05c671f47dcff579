//! Which characters people's terminals and logs can have: those of UTF-8, or ASCII alone.
//!
//! Our own marks have one ASCII character each, so lines are as wide as before: [`Output`] puts
//! them in on the way. What users choose is escaped by [`Word`], before a line is laid out.
//!
//! [`Output`]: super::Output
//! [`Word`]: super::word::Word

use std::borrow::Cow;
use std::env;
use std::ffi::OsString;

use super::word::CUT;

/// What stands for [`CUT`] in ASCII.
pub const ASCII_CUT: char = '~';

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Charset {
    #[default]
    Utf8,
    Ascii,
}

impl Charset {
    /// That of the locale which the environment names.
    pub fn of_environment() -> Self {
        Self::of_locale(env::var_os)
    }

    /// The first of these variables that says something decides (POSIX, "Internationalization
    /// Variables"). Where none is set, as in a service, the locale is `C`.
    fn of_locale(variable: impl Fn(&'static str) -> Option<OsString>) -> Self {
        let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
        let locale = set.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        let name = locale.to_string_lossy().to_ascii_lowercase();
        if name.contains("utf-8") || name.contains("utf8") { Self::Utf8 } else { Self::Ascii }
    }

    pub fn has(self, c: char) -> bool {
        self == Self::Utf8 || c.is_ascii()
    }

    /// What stands where text was cut off.
    pub fn cut(self) -> char {
        match self {
            Self::Utf8 => CUT,
            Self::Ascii => ASCII_CUT,
        }
    }

    /// A text of ours in these characters.
    pub fn text(self, text: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Utf8 || text.is_ascii() {
            return text.into();
        }
        let mut ascii = String::with_capacity(text.len());
        // Each part has one other character, which ends it.
        for part in String::from_utf8_lossy(text).split_inclusive(|c: char| !c.is_ascii()) {
            let other = part.char_indices().next_back().filter(|(_, c)| !c.is_ascii());
            ascii.push_str(other.map_or(part, |(at, _)| &part[..at]));
            ascii.extend(other.and_then(|(_, c)| in_ascii(c)));
        }
        ascii.into_bytes().into()
    }
}

fn in_ascii(c: char) -> Option<char> {
    Some(match c {
        c if c.is_ascii() => c,
        CUT => ASCII_CUT,
        'µ' => 'u',
        '×' => 'x',
        '←' => '<',
        '│' | '├' => '|',
        '└' => '`',
        '─' => '-',
        '▼' => 'v',
        '▲' => '^',
        '\u{200e}' => return None, // it takes no column, and only non-ASCII text needs it
        _ => '?',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_names_the_locale() {
        let charset = |set: &[(&str, &str)]| {
            Charset::of_locale(|name| {
                set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into())
            })
        };
        for (set, expected) in [
            (&[][..], Charset::Ascii),
            (&[("LANG", "C")], Charset::Ascii),
            (&[("LANG", "POSIX")], Charset::Ascii),
            (&[("LANG", "de_DE.ISO-8859-1")], Charset::Ascii),
            (&[("LANG", "en_GB.UTF-8")], Charset::Utf8),
            (&[("LANG", "C.utf8")], Charset::Utf8),
            (&[("LC_CTYPE", "UTF-8"), ("LANG", "C")], Charset::Utf8),
            (&[("LC_ALL", "C"), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C.UTF-8")], Charset::Ascii),
            (&[("LC_ALL", ""), ("LANG", "C.UTF-8")], Charset::Utf8),
        ] {
            assert_eq!(charset(set), expected, "{set:?}");
        }
    }

    #[test]
    fn our_marks_have_one_ascii_character_each() {
        let text = |text: &str| {
            String::from_utf8(Charset::Ascii.text(text.as_bytes()).into_owned()).expect("ASCII")
        };
        assert_eq!(text("812 µs │  ├─ └─ … ×3 ← failed"), "812 us |  |- `- ~ x3 < failed");
        assert_eq!(text("é\u{200e} "), "? ");
        let same = "µ…";
        assert_eq!(&*Charset::Utf8.text(same.as_bytes()), same.as_bytes());
    }
}
