//! The fields of JSON that tell its host, at the beginning of each line, so that lines of many
//! machines can be put together. Their names and values are those of the first line of a watch.

use std::io::{self, Write};

use serde::Serialize;

use super::Begin;
use super::json::write_value;

/// What stands in each line of one place.
#[derive(Debug)]
pub struct HostFields {
    /// The beginning of an object that goes on.
    fields: Vec<u8>,
    is_line_begun: bool,
}

impl HostFields {
    /// Those of the host that a watch has begun on.
    ///
    /// # Errors
    ///
    /// When there is no memory for them.
    pub fn of(begin: &Begin) -> io::Result<Self> {
        #[derive(Serialize)]
        struct Fields<'a> {
            host_name: &'a str,
            boot_id: Option<&'a str>,
        }
        let mut fields = Vec::new();
        let host = Fields { host_name: &begin.host_name, boot_id: begin.boot_id.as_deref() };
        write_value(&mut fields, &host)?;
        fields.pop(); // its bracket
        fields.push(b',');
        Ok(Self { fields, is_line_begun: false })
    }

    /// Puts them into each line that is written to `to`. All must be objects with fields.
    pub fn writer<'a>(&'a mut self, to: &'a mut dyn Write) -> impl Write + 'a {
        Writer { host: self, to }
    }
}

struct Writer<'a> {
    host: &'a mut HostFields,
    to: &'a mut dyn Write,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let rest = match part {
                [b'{', rest @ ..] if !self.host.is_line_begun => {
                    self.to.write_all(&self.host.fields)?;
                    rest
                }
                whole => whole,
            };
            self.to.write_all(rest)?;
            self.host.is_line_begun = !part.ends_with(b"\n");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_them_in_however_many_parts_it_is_written() {
        let begin = Begin { host_name: "a\"b".into(), ..Begin::default() };
        let mut host = HostFields::of(&begin).expect("memory");
        for parts in [
            &["{\"x\":1}\n{\"y\":{\"z\":2}}\n"][..],
            &["{", "\"x\":1}", "\n", "{\"y\":", "{\"z\":2}}\n"],
            &["{\"x\":1}\n{", "\"y\":", "{", "\"z\":2}}", "\n"],
        ] {
            let mut out = Vec::new();
            for part in parts {
                host.writer(&mut out).write_all(part.as_bytes()).expect("memory");
            }
            let text = String::from_utf8(out).expect("UTF-8");
            let fields = r#"{"host_name":"a\"b","boot_id":null,"#;
            assert_eq!(text, format!("{fields}\"x\":1}}\n{fields}\"y\":{{\"z\":2}}}}\n"));
        }
    }
}
