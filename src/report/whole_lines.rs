//! A file with a buffer that is written line by line, and not a page at a time: who reads it
//! meanwhile, or after the program was killed, finds whole lines.

use std::fs::File;
use std::io::{self, Write};

/// So many bytes are kept at most, unless one line is longer.
const CAPACITY: usize = 64 * 1024;

/// A longer line is written in parts, and so is a file without lines. No exec or exit has as many.
const LONGEST: usize = 1024 * 1024;

#[derive(Debug)]
pub struct WholeLines {
    file: File,
    kept: Vec<u8>,
    /// So many of these bytes are whole lines. It is not looked for anew: a list of processes is one
    /// line of a megabyte, which comes a few bytes at a time.
    whole: usize,
}

impl WholeLines {
    pub fn new(file: File) -> Self {
        Self { file, kept: Vec::with_capacity(CAPACITY), whole: 0 }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    fn write_first(&mut self, count: usize) -> io::Result<()> {
        let result = self.file.write_all(&self.kept[..count]);
        self.kept.drain(..count); // also where it failed: a part of it may be there
        self.kept.shrink_to(CAPACITY);
        self.whole = 0;
        result
    }
}

impl Write for WholeLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kept.len() + bytes.len() > CAPACITY {
            match self.whole {
                0 if self.kept.len() >= LONGEST => self.flush()?,
                0 => {}
                whole => self.write_first(whole)?,
            }
        }
        if let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') {
            self.whole = self.kept.len() + end + 1;
        }
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_first(self.kept.len())
    }
}

/// Where an error ends the program, what was reported before it is written all the same.
impl Drop for WholeLines {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn content(path: &Path) -> Vec<u8> {
        fs::read(path).expect("it is ours")
    }

    /// Writes a line in two parts, as reports do, until something is in the file.
    fn write_lines(out: &mut WholeLines, path: &Path, line: &[u8]) -> usize {
        let mut written = 0;
        while content(path).is_empty() {
            for part in [&line[..3], &line[3..]] {
                out.write_all(part).expect("there is room");
                written += part.len();
            }
        }
        written
    }

    #[test]
    fn a_full_buffer_is_written_up_to_the_end_of_a_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        let mut out = WholeLines::new(File::create(&path).expect("it is ours"));
        let line = b"123456789 123456789 123\n"; // CAPACITY is no multiple of it
        assert_ne!(CAPACITY % line.len(), 0);
        let written = write_lines(&mut out, &path, line);
        assert!(content(&path).len() > CAPACITY - line.len(), "{}", content(&path).len());
        assert_eq!(content(&path).len() % line.len(), 0, "a part of a line is there");
        out.flush().expect("there is room");
        assert_eq!(content(&path), line.repeat(written / line.len()));
    }

    #[test]
    fn a_line_that_is_longer_than_the_buffer_is_whole_and_one_without_an_end_is_not_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        let mut out = WholeLines::new(File::create(&path).expect("it is ours"));
        let mut long = vec![b'x'; 4 * CAPACITY];
        for part in long.chunks(1000) {
            out.write_all(part).expect("there is room");
        }
        assert_eq!(content(&path), b"");
        out.write_all(b"\n").expect("there is room");
        out.write_all(b"y").expect("there is room");
        long.push(b'\n');
        assert_eq!(content(&path), long);

        let part = [b'z'; 1000];
        let mut count = 0;
        while content(&path).len() == long.len() {
            out.write_all(&part).expect("there is room");
            count += part.len();
            assert!(count <= LONGEST + CAPACITY, "{count} bytes are kept");
        }
        drop(out);
        assert_eq!(content(&path).len(), long.len() + 1 + count);
    }
}
