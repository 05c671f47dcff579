//! Where reports go, and which ones: the terminal or a pipe, and files that are saved.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result};
use tempfile::TempPath;

use super::charset::Charset;
use super::host_fields::HostFields;
use super::sink::Sink;
use super::{Begin, Chosen, Output, Report, TreeReport};
use crate::process::record::ProcessId;
use crate::process::wall_clock::WallClock;

/// Reports that go to one place, as long as that takes what they print.
#[derive(Debug)]
pub struct Outlet {
    sink: Sink,
    chosen: Chosen,
    /// What each line gets, from the second one on: the first has it.
    host_fields: Option<HostFields>,
    /// A file has a name of its own until it is whole.
    unfinished: Option<(TempPath, PathBuf)>,
    /// Where others go on without it, what has ended it.
    failure: Option<Error>,
    may_fail: bool,
}

impl Outlet {
    /// Reports that go to a sink. `may_fail`: others go on if it takes no more.
    pub fn new(sink: Sink, chosen: Chosen, may_fail: bool) -> Self {
        Self { sink, chosen, host_fields: None, unfinished: None, failure: None, may_fail }
    }

    /// Reports that become a file when they are whole.
    ///
    /// # Errors
    ///
    /// When no file can be made in that folder.
    pub fn file(path: &Path, chosen: Chosen) -> Result<Self> {
        let cannot = || format!("could not save {}", path.display());
        // A link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot);
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut name = OsStr::new(".").to_owned();
        name.push(path.file_name().unwrap_or_default());
        let file = tempfile::Builder::new()
            .prefix(&name)
            .permissions(Permissions::from_mode(0o666)) // less the umask
            .tempfile_in(folder)
            .with_context(cannot)?;
        let (file, temporary) = file.into_parts();
        if let Ok(before) = fs::metadata(&path) {
            file.set_permissions(before.permissions()).with_context(cannot)?;
        }
        let mut outlet = Self::new(Sink::of_file(file, &path), chosen, true);
        outlet.unfinished = Some((temporary, path));
        Ok(outlet)
    }

    /// Whether it reports the tree.
    pub fn has_tree(&self) -> bool {
        self.chosen.tree.is_some()
    }

    /// Whether it has failed, and others go on.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// How many of the processes alive the reports want to know of once a period.
    pub fn processes_wanted(&self) -> usize {
        let window = self.sink.window();
        let wanted = self.chosen.reports.iter().map(|report| report.processes_wanted(window));
        wanted.max().filter(|_| self.failure.is_none()).unwrap_or(0)
    }

    /// Whether any of the reports wants to know what a process uses.
    pub fn wants_usage(&mut self, process: ProcessId) -> bool {
        let asks = |any, report: &mut Box<dyn Report>| report.wants_usage(process) || any;
        self.failure.is_none() && self.chosen.reports.iter_mut().fold(false, asks)
    }

    /// Lets each report begin.
    ///
    /// # Errors
    ///
    /// As for [`Self::each`].
    pub fn begin(&mut self, clock: WallClock, begin: &Begin) -> Result<bool> {
        self.each(clock, |report, out| report.begin(out, begin).map(|()| true))?;
        self.attempt(|outlet| {
            let has_fields = outlet.chosen.host_fields;
            outlet.host_fields = has_fields.then(|| HostFields::of(begin)).transpose()?;
            Ok(true)
        })
    }

    /// Gives something to each report, and tells whether any has printed it.
    ///
    /// # Errors
    ///
    /// When it can't be written, unless others go on without it.
    pub fn each(
        &mut self,
        clock: WallClock,
        mut give: impl FnMut(&mut dyn Report, &mut Output<'_>) -> io::Result<bool>,
    ) -> Result<bool> {
        self.attempt(|outlet| {
            let Self { sink, chosen, host_fields, .. } = outlet;
            let mut is_printed = false;
            with_output(sink, host_fields, clock, chosen.charset, |out| {
                for report in &mut chosen.reports {
                    is_printed |= give(report.as_mut(), out)?;
                }
                Ok(is_printed)
            })
        })
    }

    /// Lets the tree be written, if it is reported here.
    ///
    /// # Errors
    ///
    /// As for [`Self::each`].
    pub fn tree(
        &mut self,
        clock: WallClock,
        write: impl FnOnce(&dyn TreeReport, &mut Output<'_>) -> io::Result<()>,
    ) -> Result<bool> {
        self.attempt(|Self { sink, chosen, host_fields, .. }| {
            let Some(tree) = &chosen.tree else { return Ok(false) };
            with_output(sink, host_fields, clock, chosen.charset, |out| write(tree.as_ref(), out))?;
            Ok(true)
        })
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    ///
    /// As for [`Self::each`].
    pub fn flush(&mut self) -> Result<bool> {
        self.attempt(|outlet| outlet.sink.flush().map(|()| true))
    }

    /// Goes on in the file that has its name now, unless it has failed: see [`Sink::reopen`].
    ///
    /// # Errors
    ///
    /// When there is none. Then it goes on in the old one.
    pub fn reopen(&mut self) -> Result<()> {
        if self.failure.is_some() { Ok(()) } else { self.sink.reopen() }
    }

    /// When all is written, gives a file its name. Tells what has gone wrong here, if others
    /// went on.
    pub fn finish(&mut self) -> Option<Error> {
        let _ = self.flush(); // what it says is kept
        if let (Some((temporary, path)), None) = (self.unfinished.take(), &self.failure) {
            let named = temporary.persist(&path).map_err(|error| error.error);
            let named = named.with_context(|| format!("could not save {}", path.display()));
            self.failure = named.err();
        }
        self.failure.take()
    }

    fn attempt(&mut self, attempt: impl FnOnce(&mut Self) -> io::Result<bool>) -> Result<bool> {
        if self.failure.is_some() {
            return Ok(false);
        }
        let result =
            attempt(self).with_context(|| format!("could not write to {}", self.sink.name()));
        match result {
            Err(error) if self.may_fail => {
                self.failure = Some(error);
                Ok(false)
            }
            result => result,
        }
    }
}

/// Lets something be written to a sink, whose lines get the fields of their host.
fn with_output<T>(
    sink: &mut Sink,
    host_fields: &mut Option<HostFields>,
    clock: WallClock,
    charset: Charset,
    write: impl FnOnce(&mut Output<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let mut out = sink.output(clock, charset);
    match host_fields {
        Some(fields) => write(&mut Output { to: &mut fields.writer(out.to), ..out }),
        None => write(&mut out),
    }
}
