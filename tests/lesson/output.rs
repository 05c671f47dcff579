//! Compares what was printed with what is shown.

use std::collections::HashMap;

use regex::Regex;

/// What is shown, with the places that vary.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// For each group of the regex, the words that it stands for, and a bound.
    groups: Vec<Varying>,
}

#[derive(Debug, Clone)]
struct Varying {
    shown: String,
    bound: Option<(char, u64)>,
}

impl Varying {
    /// Whether it names something, as a pid or a key does: two of them differ. Two measurements may
    /// be the same.
    fn is_name(&self) -> bool {
        self.bound.is_none() && self.shown.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ')
    }
}

impl Pattern {
    /// # Errors
    ///
    /// When a word varies that is not shown.
    pub fn new(shown: &str, varies: &str) -> Result<Self, String> {
        let varying = words(varies);
        let shown = blanks_to_one(shown);
        let mut groups = Vec::new();
        let mut regex = String::new();
        let mut rest = shown.as_str();
        while let Some(next) = rest.chars().next() {
            let before = shown[..shown.len() - rest.len()].chars().next_back();
            let found = varying.iter().find(|word| starts_with_word(rest, &word.shown, before));
            if let Some(word) = found {
                regex.push_str(&format!("({})", any_like(&word.shown)));
                groups.push(word.clone());
                rest = &rest[word.shown.len()..];
            } else {
                regex.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
                rest = &rest[next.len_utf8()..];
            }
        }
        for word in varying {
            if !groups.iter().any(|group| group.shown == word.shown) {
                return Err(format!("{} varies, but is not shown", word.shown));
            }
        }
        let regex = Regex::new(&format!("^{regex}$")).map_err(|error| error.to_string())?;
        Ok(Self { regex, groups })
    }

    /// # Errors
    ///
    /// When something else was printed: what.
    pub fn check(&self, printed: &str) -> Result<(), String> {
        let printed = blanks_to_one(printed);
        let found = self.regex.captures(&printed).ok_or("something else was printed")?;
        let mut values = HashMap::new();
        let mut stands_for = HashMap::new();
        for (group, value) in self.groups.iter().zip(found.iter().skip(1).flatten()) {
            let Varying { shown, bound } = group;
            let value = value.as_str();
            let first = *values.entry(shown).or_insert(value);
            if first != value {
                return Err(format!("{shown} is {first} at one place and {value} at another"));
            }
            if group.is_name() {
                let other = *stands_for.entry(value).or_insert(shown);
                if other != shown {
                    return Err(format!("{value} stands where {shown} and {other} are shown"));
                }
            }
            let holds = match (bound, value.parse::<u64>()) {
                (None, _) => true,
                (Some(('<', bound)), Ok(number)) => number < *bound,
                (Some((_, bound)), Ok(number)) => number > *bound,
                (Some(_), Err(_)) => false,
            };
            if !holds {
                return Err(format!("{value} stands where {shown} is shown"));
            }
        }
        Ok(())
    }
}

/// A number may become another number, anything else so many words.
fn any_like(shown: &str) -> String {
    if shown.bytes().all(|byte| byte.is_ascii_digit()) {
        return "[0-9]+".to_owned();
    }
    vec![r"[^\s,]+"; shown.split(' ').count()].join(" ")
}

/// `7331 "568 µs" 3<50`
fn words(varies: &str) -> Vec<Varying> {
    let mut words = Vec::new();
    for (number, part) in varies.split('"').enumerate() {
        if number % 2 == 1 {
            words.push(Varying { shown: part.to_owned(), bound: None });
            continue;
        }
        for word in part.split_whitespace() {
            let (shown, bound) = match word.find(['<', '>']) {
                None => (word, None),
                Some(at) => {
                    let bound = word[at + 1..].parse().expect("a bound is a number");
                    (&word[..at], Some((char::from(word.as_bytes()[at]), bound)))
                }
            };
            words.push(Varying { shown: shown.to_owned(), bound });
        }
    }
    words
}

/// Whether `text`, which stands after `before`, starts with all of this word.
fn starts_with_word(text: &str, word: &str, before: Option<char>) -> bool {
    let alone = |next: Option<char>| !next.is_some_and(char::is_alphanumeric);
    text.strip_prefix(word).is_some_and(|after| alone(before) && alone(after.chars().next()))
}

fn blanks_to_one(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

#[test]
fn only_what_varies_may_differ() {
    let check = |shown: &str, varies: &str, printed: &str| {
        Pattern::new(shown, varies).and_then(|pattern| pattern.check(printed)).is_ok()
    };
    assert!(check(" a   1\n", "", "a 1\n"));
    assert!(!check("a 1\n", "", "a 2\n"));
    assert!(!check("a 1\n", "", "a 1\nb\n"));
    assert!(check("pid 71, pid 71: 1.5 ms\n", "71 \"1.5 ms\"", "pid 8, pid 8: 12 s\n"));
    assert!(!check("pid 71, pid 71\n", "71", "pid 8, pid 9\n"));
    assert!(!check("pid 71, pid 72\n", "71 72", "pid 8, pid 8\n"));
    assert!(!check("01 00, 02 00\n", "\"01 00\" \"02 00\"", "03 00, 03 00\n"));
    assert!(check("p50 1.1 ms, p99 7.4 ms\n", "1.1 7.4", "p50 1.4 ms, p99 1.4 ms\n"));
    assert!(check("12 runs, 9 failed\n", "12>0 9>0", "8 runs, 8 failed\n"));
    assert!(!check("pid 71\n", "71", "pid ls\n"));
    assert!(!check("pid 71\n", "7", "pid 81\n"), "7 is not a word there");
    assert!(check("100 of 3\n", "3<50", "100 of 49\n"));
    assert!(!check("100 of 3\n", "3<50", "100 of 50\n"));
    assert!(!check("74\n", "74>0", "0\n"));
}
