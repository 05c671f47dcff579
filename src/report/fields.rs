//! What stands in the columns that several tables have of a process.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::charset::Charset;
use super::layout::Field;
use super::units::push_number;
use super::word::{CUT, Word, is_unseen};
use crate::process::ancestors::is_whole;
use crate::process::event::{Event, Names};
use crate::process::record::Common;

/// Columns of a user's name, where nothing limits them.
pub const USER_COLUMNS: usize = 10;

/// Adds what many tables have in common of a process: who it is, whose, and who started it. In
/// `columns`, if they are limited.
pub fn push_field(
    line: &mut String,
    field: Field,
    event: &Event<'_>,
    names: &Names,
    columns: Option<usize>,
    charset: Charset,
) {
    match (field, event.parent) {
        (Field::Pid, _) => push_number(line, event.process.pid),
        (Field::Ppid, _) => push_number(line, event.common.ppid),
        (Field::User, _) => {
            let columns = columns.unwrap_or(USER_COLUMNS);
            push_user(line, names.user.as_deref(), event.common.uid, columns, charset);
        }
        (Field::Parent, Some(parent)) => Word::new(parent).in_charset(charset).push_to(line),
        (Field::Ancestors, _) => {
            push_ancestors(line, event.common, columns.unwrap_or(usize::MAX), charset);
        }
        _ => line.push('-'),
    }
}

/// Adds the ancestors, the nearest last: `systemd>sshd>bash`. Where they do not fit, the first are
/// left out; where they are not known up to init, they begin with `?`.
fn push_ancestors(line: &mut String, common: &Common, columns: usize, charset: Charset) {
    let ancestors = common.ancestors.as_deref().unwrap_or_default();
    let mut words = Vec::new();
    let mut used = 0;
    for ancestor in ancestors {
        let word = Word::new(&ancestor.comm).in_charset(charset).to_string();
        used += word.width() + 1;
        words.push(word);
    }
    if !is_whole(common.ppid, ancestors) {
        used += 2;
        words.push("?".into());
    }
    if words.is_empty() {
        return line.push('-');
    }
    // Each has a `>` behind it, but the last.
    let is_cut = used > columns.saturating_add(1);
    while used > columns.saturating_sub(1) && is_cut && words.len() > 1 {
        used -= words.pop().map_or(0, |word| word.width() + 1);
    }
    if is_cut {
        line.extend([CUT, '>']);
    }
    for (i, word) in words.iter().rev().enumerate() {
        line.extend([if i == 0 { "" } else { ">" }, word]);
    }
}

/// Adds a user's name; one that does not fit ends in `+`.
pub fn push_user(
    line: &mut String,
    user: Option<&str>,
    uid: u32,
    columns: usize,
    charset: Charset,
) {
    let Some(user) = user else { return push_number(line, uid) };
    if user.len() <= columns && user.bytes().all(|byte| byte.is_ascii_graphic()) {
        return line.push_str(user);
    }
    let is_word = |c: char| c.is_alphanumeric() && !is_unseen(c) && charset.has(c);
    let is_plain = |c: char| c.is_ascii_graphic() || is_word(c);
    let user: Cow<'_, str> = match user.chars().all(is_plain) {
        true => user.into(),
        false => Word::new(user.as_bytes()).in_charset(charset).to_string().into(),
    };
    if user.width() <= columns {
        return line.push_str(&user);
    }
    let mut left = columns.saturating_sub(1);
    line.extend(user.chars().take_while(|c| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    }));
    line.push('+');
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::process::ancestors::Ancestor;

    #[test]
    fn long_user_names_keep_the_columns() {
        let user = |user: Option<&str>, uid, columns, charset| {
            let mut line = String::new();
            push_user(&mut line, user, uid, columns, charset);
            line
        };
        assert_eq!(user(Some("systemd-network"), 1, 10, Charset::Utf8), "systemd-n+");
        assert_eq!(user(Some("www-data"), 33, 6, Charset::Utf8), "www-d+");
        assert_eq!(user(Some("alice"), 1000, 10, Charset::Utf8), "alice");
        assert_eq!(user(None, 1000, 10, Charset::Utf8), "1000");
        assert!(user(Some("zoë"), 1000, 10, Charset::Ascii).is_ascii());
    }

    /// A chain of these names, the first of which has this pid.
    fn ancestors(first: u32, names: &[&str], columns: usize, charset: Charset) -> String {
        let ancestor = |(i, name): (usize, &&str)| Ancestor {
            pid: if i == 0 { first } else { 100 },
            comm: name.as_bytes().into(),
        };
        let mut chain: Vec<_> = names.iter().enumerate().map(ancestor).collect();
        chain.reverse();
        let ppid = chain.first().map_or(0, |parent| parent.pid);
        let common = Common { ppid, ancestors: Some(Rc::from(chain)), ..Common::default() };
        let mut line = String::new();
        push_ancestors(&mut line, &common, columns, charset);
        line
    }

    #[test]
    fn of_ancestors_the_nearest_are_shown() {
        let show = |columns| ancestors(1, &["systemd", "sshd", "bash"], columns, Charset::Utf8);
        assert_eq!(show(usize::MAX), "systemd>sshd>bash");
        assert_eq!(show(17), "systemd>sshd>bash");
        assert_eq!(show(16), "…>sshd>bash");
        assert_eq!(show(10), "…>bash");
        assert_eq!(show(3), "…>bash"); // what is too wide is cut like any text
        assert_eq!(ancestors(7, &["sh", "make"], 20, Charset::Utf8), "?>sh>make");
        assert_eq!(ancestors(7, &[], 20, Charset::Utf8), "-");
        assert_eq!(
            ancestors(1, &["?", "a>b", "naïve"], 40, Charset::Ascii),
            r"'?'>'a>b'>'na'$'\xC3\xAF''ve'"
        );
    }
}
