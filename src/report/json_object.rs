//! JSON objects that are put straight into the memory of a line, a field at a time. Each exec and
//! each exit is written so: serde_json looks at each byte of each name and text, which is most of
//! what a line would cost.

use jiff::Timestamp;
use serde::Serialize;

use super::json::{Raw, Time, unix_ns, write_value};

/// The name of a field as it stands in a line, `,"pid":`, made when the program is compiled.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use key;

/// How a time begins that [`Time`] writes: all but the fraction of its second.
const SECOND: usize = "\"1970-01-01T00:00:00.".len();

/// Where objects are written, one after the other. It is kept for its memory.
#[derive(Debug, Default)]
pub struct ObjectBuffer {
    bytes: Vec<u8>,
    /// The second that was written last, in seconds since 1970 and as a text: lines that follow
    /// each other have mostly the same.
    second: Option<(i64, [u8; SECOND])>,
}

impl ObjectBuffer {
    /// The object with the fields that `add` adds.
    pub fn object(&mut self, add: impl FnOnce(&mut Object<'_>)) -> &[u8] {
        self.bytes.clear();
        Object(self).nest(b"{}", add);
        &self.bytes
    }

    /// The same, and the end of its line.
    pub fn line(&mut self, add: impl FnOnce(&mut Object<'_>)) -> &[u8] {
        self.object(add);
        self.bytes.push(b'\n');
        &self.bytes
    }

    fn push_time(&mut self, time: Timestamp) {
        let (second, ns) = (time.as_second(), time.subsec_nanosecond());
        let known = self.second.as_ref().filter(|(known, _)| *known == second);
        if let Some((_, text)) = known.filter(|_| ns >= 0) {
            self.bytes.extend_from_slice(text);
            // A digit before them keeps their zeros.
            let mut digits = itoa::Buffer::new();
            let fraction = digits.format(1_000_000_000 + ns).as_bytes();
            self.bytes.extend_from_slice(&fraction[1..]);
            return self.bytes.extend_from_slice(b"Z\"");
        }
        let begin = self.bytes.len();
        push_any(&mut self.bytes, &Time(time));
        // Before 1970 a fraction counts backwards.
        let text = self.bytes[begin..].first_chunk().filter(|_| time >= Timestamp::UNIX_EPOCH);
        self.second = text.map(|text| (second, *text));
    }
}

/// An object that is being written. Each field begins with a comma; a bracket takes the place of
/// the first.
pub struct Object<'a>(&'a mut ObjectBuffer);

impl Object<'_> {
    /// Adds a field. `key`: made by [`key`].
    #[inline]
    pub fn field(&mut self, key: &'static str, value: impl Value) {
        let out = &mut self.0.bytes;
        out.extend_from_slice(key.as_bytes());
        value.push(out);
    }

    /// Adds a time, as a text and in nanoseconds.
    pub fn time(&mut self, [key, ns_key]: [&'static str; 2], time: Option<Timestamp>) {
        match time {
            Some(time) => {
                self.0.bytes.extend_from_slice(key.as_bytes());
                self.0.push_time(time);
            }
            None => self.field(key, None::<bool>),
        }
        self.field(ns_key, time.map(unix_ns));
    }

    /// Adds a text, and its bytes as base64 where the text has lost some.
    pub fn text(&mut self, [key, raw_key]: [&'static str; 2], bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return self.field(key, None::<bool>) };
        self.0.bytes.extend_from_slice(key.as_bytes());
        if !push_text(&mut self.0.bytes, bytes) {
            Raw::of(bytes).into_iter().for_each(|raw| self.field(raw_key, raw));
        }
    }

    /// Adds a list of texts, and the bytes of all where one has lost some.
    pub fn texts<'a>(
        &mut self,
        [key, raw_key]: [&'static str; 2],
        texts: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        let mut are_plain = true;
        self.0.bytes.extend_from_slice(key.as_bytes());
        self.nest(b"[]", |list| {
            for text in texts.clone() {
                list.0.bytes.push(b',');
                are_plain &= push_text(&mut list.0.bytes, text);
            }
        });
        if are_plain {
            return;
        }
        if let Some(raw) = Raw::of_any(texts) {
            self.0.bytes.extend_from_slice(raw_key.as_bytes());
            self.nest(b"[]", |list| raw.for_each(|raw| list.field(",", raw)));
        }
    }

    /// Adds a list of objects, each with the fields that `add` adds.
    pub fn objects<T>(
        &mut self,
        key: &'static str,
        items: impl Iterator<Item = T>,
        mut add: impl FnMut(&mut Object<'_>, T),
    ) {
        self.0.bytes.extend_from_slice(key.as_bytes());
        self.nest(b"[]", |list| {
            for item in items {
                list.0.bytes.push(b',');
                list.nest(b"{}", |object| add(object, item));
            }
        });
    }

    /// Adds what `add` adds, in brackets.
    fn nest(&mut self, &[open, close]: &[u8; 2], add: impl FnOnce(&mut Object<'_>)) {
        let begin = self.0.bytes.len();
        add(self);
        match self.0.bytes.get_mut(begin) {
            Some(comma) => *comma = open,
            None => self.0.bytes.push(open), // there is nothing in it
        }
        self.0.bytes.push(close);
    }
}

/// What a field may have.
pub trait Value {
    fn push(self, out: &mut Vec<u8>);
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl Value for $integer {
            #[inline]
            fn push(self, out: &mut Vec<u8>) {
                out.extend_from_slice(itoa::Buffer::new().format(self).as_bytes());
            }
        })*
    };
}
integers!(i32 i64 u32 u64 usize);

impl Value for bool {
    #[inline]
    fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self { b"true" } else { b"false" });
    }
}

impl Value for f64 {
    fn push(self, out: &mut Vec<u8>) {
        push_any(out, &self);
    }
}

impl<V: Value> Value for Option<V> {
    #[inline]
    fn push(self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.push(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl Value for &str {
    fn push(self, out: &mut Vec<u8>) {
        push_text(out, self.as_bytes());
    }
}

/// Bytes as a text.
impl Value for &[u8] {
    fn push(self, out: &mut Vec<u8>) {
        push_text(out, self);
    }
}

impl Value for Raw<'_> {
    fn push(self, out: &mut Vec<u8>) {
        push_any(out, &self);
    }
}

/// Adds a text, and tells whether it is plain: as nearly all, of bytes that stand for themselves.
fn push_text(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let is_plain = text.iter().all(|&byte| IS_PLAIN[usize::from(byte)]);
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else {
        push_any(out, &String::from_utf8_lossy(text));
    }
    is_plain
}

const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        is_plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    is_plain
};

fn push_any(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = write_value(out, value); // memory takes it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_serde_json_whatever_was_written_before() {
        let mut buffer = ObjectBuffer::default();
        let times = [(0, 0), (0, 7), (0, -7), (0, 7), (-1, 0), (-1, -7), (1, 999_999_999), (1, 12)];
        for (second, ns) in times.into_iter().chain([(1_700_000_000, 0), (1_700_000_000, 70)]) {
            let time = Timestamp::new(second, ns).expect("a time");
            let object = buffer.object(|object| object.time([key!("a"), key!("b")], Some(time)));
            let text = serde_json::to_string(&Time(time)).expect("JSON");
            let expected = format!(r#"{{"a":{text},"b":{}}}"#, time.as_nanosecond());
            assert_eq!(String::from_utf8_lossy(object), expected);
        }
    }

    #[test]
    fn texts_are_those_of_serde_json() {
        let mut buffer = ObjectBuffer::default();
        for c in ('\0'..='\u{7e}').chain(['\u{e9}', '\u{1f600}']) {
            let text = format!("a{c}");
            let object = buffer.object(|object| object.field(key!("a"), text.as_str()));
            let expected = serde_json::json!({ "a": text }).to_string();
            assert_eq!(String::from_utf8_lossy(object), expected);
        }
    }

    #[test]
    fn lists_and_objects_may_be_empty() {
        let mut buffer = ObjectBuffer::default();
        assert_eq!(buffer.line(|_| ()), b"{}\n");
        let line = buffer.line(|line| {
            line.texts([key!("a"), key!("a_raw")], [&b"x"[..], b"\xff"].into_iter());
            line.texts([key!("b"), key!("b_raw")], [].into_iter());
            line.objects(key!("c"), 0..0, |_, _| ());
            line.objects(key!("d"), 0..2, |entry, i| entry.field(key!("e"), i));
        });
        let expected = "{\"a\":[\"x\",\"\u{fffd}\"],\"a_raw\":[\"eA==\",\"/w==\"],\"b\":[],\"c\":[],\"d\":[{\"e\":0},{\"e\":1}]}\n";
        assert_eq!(String::from_utf8_lossy(line), expected);
    }
}
