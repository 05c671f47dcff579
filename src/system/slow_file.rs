//! Files that may never answer.
//!
//! A process can keep the lock of its own memory for ever: it maps a file of a file system that
//! it serves itself, and does not serve. Who reads its `/proc/PID/cmdline` then waits as long.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a read of the map may wait for such files in all. One that answers takes some
/// microseconds, and on a busy machine some milliseconds.
const PATIENCE: Duration = Duration::from_millis(100);

/// So many files at once may be waited for in vain. Then no more are read until one answers.
const MOST_STUCK: usize = 8;

/// It reads and waits for a file.
const STACK_SIZE: usize = 64 * 1024;

/// Reads such files, for a limited time.
#[derive(Debug)]
pub struct SlowFiles {
    idle: Option<Worker>,
    stuck: Vec<Worker>,
    patience: Duration,
}

/// A thread that reads, since nothing can end a read that waits for a lock in the kernel.
#[derive(Debug)]
struct Worker {
    ask: Sender<(PathBuf, usize)>,
    answers: Receiver<Option<Vec<u8>>>,
}

impl Default for SlowFiles {
    fn default() -> Self {
        Self { idle: None, stuck: Vec::new(), patience: PATIENCE }
    }
}

impl SlowFiles {
    /// To be called once a read of the map: there is all the patience again.
    pub fn renew(&mut self) {
        self.patience = PATIENCE;
    }

    /// A file's content, at most so many bytes of it, or `None` if it can't be had in time. To be
    /// called when privileges have been given up: a thread keeps what it begins with.
    pub fn read(&mut self, path: PathBuf, bytes: usize) -> Option<Vec<u8>> {
        if self.patience.is_zero() {
            return None;
        }
        let worker = self.idle.take().or_else(|| self.come_back()).or_else(|| self.spawn())?;
        worker.ask.send((path, bytes)).ok()?;
        let begun = Instant::now();
        let answer = worker.answers.recv_timeout(self.patience);
        self.patience = self.patience.saturating_sub(begun.elapsed());
        match answer {
            Ok(content) => {
                self.idle = Some(worker);
                content
            }
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.push(worker);
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// A worker whose file has answered after all.
    fn come_back(&mut self) -> Option<Worker> {
        let at = self.stuck.iter().position(|worker| worker.answers.try_recv().is_ok())?;
        Some(self.stuck.swap_remove(at))
    }

    fn spawn(&self) -> Option<Worker> {
        if self.stuck.len() >= MOST_STUCK {
            return None;
        }
        let (ask, asked) = channel::<(PathBuf, usize)>();
        let (answer, answers) = channel();
        let work = move || {
            for (path, bytes) in asked {
                if answer.send(read_beginning(&path, bytes).ok()).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().stack_size(STACK_SIZE).spawn(work).ok()?;
        Some(Worker { ask, answers })
    }
}

fn read_beginning(path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(bytes as u64).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_that_does_not_answer_costs_a_limited_time_and_no_other_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let fine = dir.path().join("fine");
        fs::write(&fine, "content").expect("ours");
        // To open it waits for a writer.
        let stuck = dir.path().join("stuck");
        let status = Command::new("mkfifo").arg(&stuck).status().expect("mkfifo starts");
        assert!(status.success());

        // On a busy machine, a file that does answer may take longer than the patience of one read.
        let read_in_the_end = |files: &mut SlowFiles, bytes| {
            (0..100).find_map(|_| {
                files.renew();
                files.read(fine.clone(), bytes)
            })
        };
        let mut files = SlowFiles::default();
        for _ in 0..MOST_STUCK {
            assert_eq!(files.read(stuck.clone(), 7), None);
            assert_eq!(files.read(fine.clone(), 7), None, "that was all the patience");
            let may_read = files.stuck.len() < MOST_STUCK;
            assert_eq!(read_in_the_end(&mut files, 7).is_some(), may_read);
            files.renew();
        }
        assert_eq!(files.read(fine.clone(), 7), None);
        // They all answer.
        drop(OpenOptions::new().write(true).open(&stuck).expect("there are readers"));
        while files.read(fine.clone(), 7).is_none() {
            thread::sleep(Duration::from_millis(1));
            files.renew();
        }
        assert_eq!(read_in_the_end(&mut files, 3), Some(b"con".to_vec()));
        assert_eq!(files.read(dir.path().join("nothing"), 7), None);
    }
}
