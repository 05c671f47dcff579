//! A program that runs to be compared, and what it costs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::contenders::Contender;
use crate::machine::scratch_file;
use crate::processes::{Running, content, count_bpf_runs, fdinfo, field, play, storm_for};

/// Nothing takes this long to start unless it does not work here.
const PATIENCE: Duration = Duration::from_secs(20);

struct Part {
    process: Running,
    stdout: File,
    stderr: File,
}

/// A contender that runs.
pub struct Watcher {
    parts: Vec<Part>,
}

impl Watcher {
    /// Starts it, with its output in files, and waits until each part sees processes.
    pub fn start(contender: &Contender) -> Result<Self> {
        let mut parts = Vec::new();
        for words in &contender.commands {
            let (stdout, stderr) = (scratch_file()?, scratch_file()?);
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).stdin(Stdio::null());
            command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
            let process = Running::try_start(&mut command)
                .with_context(|| format!("{} is not here", words[0]))?;
            parts.push(Part { process, stdout, stderr });
        }
        let mut watcher = Self { parts };
        watcher.wait_until_it_sees(contender)?;
        Ok(watcher)
    }

    fn wait_until_it_sees(&mut self, contender: &Contender) -> Result<()> {
        let _counting = count_bpf_runs();
        let begun = Instant::now();
        for (part, words) in self.parts.iter_mut().zip(&contender.commands) {
            while part.programs().values().all(|program| program.runs == 0) {
                let late = begun.elapsed() > PATIENCE;
                if late || part.process.child.try_wait()?.is_some() {
                    let said = text_of(&part.stdout)? + &text_of(&part.stderr)?;
                    let last = said.lines().rfind(|line| !line.trim().is_empty());
                    bail!("{} does not run here: {}", words[0], last.unwrap_or("no reason").trim());
                }
                // Not `tiny`: what is counted later is a storm's alone.
                Running::start(&mut play(&["exit", "0"])).child.wait()?;
                sleep(Duration::from_millis(20));
            }
        }
        sleep(Duration::from_millis(300)); // until the other programs are attached too
        Ok(())
    }

    /// Nanoseconds that its BPF programs have run, while that was counted.
    pub fn kernel_ns(&self) -> Result<u64> {
        self.sum(|part| Ok(part.programs().values().map(|program| program.ns).sum()))
    }

    /// How often its BPF programs have run, while that was counted.
    pub fn kernel_runs(&self) -> Result<u64> {
        self.sum(|part| Ok(part.programs().values().map(|program| program.runs).sum()))
    }

    /// User and system time so far, in nanoseconds.
    pub fn cpu_ns(&self) -> Result<u64> {
        self.sum(|part| cpu_ns(part.process.pid()))
    }

    /// The most memory it had at once, in KiB.
    pub fn peak_kib(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// What it has of files: its programs and their libraries, in KiB.
    pub fn file_kib(&self) -> Result<u64> {
        self.status("RssFile:")
    }

    fn status(&self, name: &str) -> Result<u64> {
        self.sum(|part| {
            let status = fs::read_to_string(format!("/proc/{}/status", part.process.pid()))?;
            field(&status, name).with_context(|| format!("/proc/PID/status: {name}"))
        })
    }

    /// What it has now.
    pub fn memory(&self) -> Result<Memory> {
        let [peak_kib, file_kib, anonymous_kib] =
            [self.peak_kib()?, self.file_kib()?, self.status("RssAnon:")?];
        Ok(Memory { peak_kib, file_kib, anonymous_kib })
    }

    /// Kernel memory of its maps, in bytes.
    pub fn map_bytes(&self) -> Result<u64> {
        self.sum(|part| {
            let maps = fdinfo(part.process.pid())
                .into_iter()
                .filter_map(|text| Some((field(&text, "map_id:")?, field(&text, "memlock:")?)));
            Ok(maps.collect::<BTreeMap<_, _>>().values().sum())
        })
    }

    /// Its process ids.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().map(|part| part.process.pid())
    }

    fn sum(&self, of: impl Fn(&Part) -> Result<u64>) -> Result<u64> {
        self.parts.iter().map(of).sum()
    }

    /// Waits until what happened is read and printed: a period and more.
    pub fn settle(&self) {
        sleep(Duration::from_millis(1300));
    }

    /// Ends it as Ctrl-C does; all that it printed.
    pub fn stop(self) -> Result<String> {
        Ok(self.stop_in_time()?.0)
    }

    /// The same, with how long it took.
    pub fn stop_in_time(mut self) -> Result<(String, End)> {
        let said: Vec<_> = self.parts.iter().map(Part::said).collect::<Result<_>>()?;
        let begun = Instant::now();
        for part in &mut self.parts {
            part.process.signal(Signal::SIGINT);
        }
        let (mut account, mut printed) = (None, String::new());
        while !self.parts.iter_mut().all(Part::has_ended) {
            ensure!(begun.elapsed() < PATIENCE, "it does not end");
            let says =
                self.parts.iter().zip(&said).any(|(part, &said)| part.said().ok() > Some(said));
            account = account.or_else(|| says.then(|| begun.elapsed()));
            sleep(Duration::from_micros(200));
        }
        let end = End { account, end: begun.elapsed() };
        for part in &self.parts {
            printed += &text_of(&part.stdout)?;
        }
        Ok((printed, end))
    }
}

/// How long it took to end, from the signal on.
pub struct End {
    /// Until something came on stderr: our account.
    pub account: Option<Duration>,
    pub end: Duration,
}

/// Memory of a process, in KiB.
pub struct Memory {
    pub peak_kib: u64,
    /// Pages of files: the program and its libraries, shared with whoever else uses them.
    pub file_kib: u64,
    pub anonymous_kib: u64,
}

struct Program {
    ns: u64,
    runs: u64,
}

impl Part {
    /// How much it has written to stderr, in bytes.
    fn said(&self) -> Result<u64> {
        Ok(self.stderr.metadata()?.len())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.process.child.try_wait(), Ok(None))
    }

    /// Its BPF programs by id.
    fn programs(&self) -> BTreeMap<u64, Program> {
        let programs = fdinfo(self.process.pid()).into_iter().filter_map(|text| {
            // The descriptor of a link has the id too, but no times.
            let program =
                Program { ns: field(&text, "run_time_ns:")?, runs: field(&text, "run_cnt:")? };
            Some((field(&text, "prog_id:")?, program))
        });
        programs.collect()
    }
}

/// CPU time of all threads that a process has, in nanoseconds.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += schedstat(&task?.path())?;
    }
    Ok(sum)
}

/// CPU time of the calling thread, in nanoseconds, as the others are measured.
pub fn cpu_ns_of_thread() -> Result<u64> {
    schedstat(Path::new("/proc/thread-self"))
}

fn schedstat(task: &Path) -> Result<u64> {
    let text = fs::read_to_string(task.join("schedstat"))?;
    Ok(text.split(' ').next().context("/proc/PID/schedstat")?.parse()?)
}

fn text_of(file: &File) -> Result<String> {
    Ok(String::from_utf8_lossy(&content(file)?).into_owned())
}

/// How many lines tell of a process of a storm. Those run a file without a name: the
/// kernel calls them by the number of a descriptor, and `tiny exit 0` is their argv.
pub fn lines_of_storm(printed: &str) -> u64 {
    let is_number = |word: Option<&str>| word.is_some_and(|word| word.parse::<u32>().is_ok());
    let of_storm = |line: &&str| {
        let mut words = line.split_whitespace();
        line.contains("tiny exit 0")
            || line.contains("/proc/self/fd/")
            || is_number(words.next())
            || (line.starts_with("exit ") && is_number(words.next_back()))
    };
    printed.lines().filter(of_storm).count() as u64
}

/// Time from the start of the programs until each has shown a process on a terminal,
/// while one starts every millisecond.
pub fn time_to_first_event(contender: &Contender) -> Result<Duration> {
    let _others = storm_for(30, 1, 1000);
    sleep(Duration::from_millis(50));
    let begun = Instant::now();
    let mut parts = Vec::new();
    for words in &contender.commands {
        let (screen, terminal) = pseudo_terminal()?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("TERM", "dumb").stdin(Stdio::null()).stderr(Stdio::null());
        let process = Running::try_start(command.stdout(terminal))?;
        parts.push((process, screen, String::new()));
    }
    while parts.iter().any(|(_, _, shown)| lines_of_storm(shown) == 0) {
        ensure!(begun.elapsed() < PATIENCE, "no event is ever shown");
        for (_, screen, shown) in &mut parts {
            let mut bytes = [0; 4096];
            let count = nix::unistd::read(&*screen, &mut bytes).unwrap_or(0);
            shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        sleep(Duration::from_micros(500));
    }
    Ok(begun.elapsed())
}

/// Both ends; reading from the first does not wait.
fn pseudo_terminal() -> Result<(OwnedFd, OwnedFd)> {
    let (mut screen, mut terminal) = (-1, -1);
    let size = libc::winsize { ws_row: 25, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the two numbers and the size live as long as the call; no name and no modes.
    let failed = unsafe {
        libc::openpty(
            &raw mut screen,
            &raw mut terminal,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        )
    };
    ensure!(failed == 0, "no terminal: {}", io::Error::last_os_error());
    // SAFETY: openpty has just opened both, and nobody else knows of them.
    let (screen, terminal) =
        unsafe { (OwnedFd::from_raw_fd(screen), OwnedFd::from_raw_fd(terminal)) };
    // SAFETY: changes flags of a descriptor that we own.
    unsafe {
        use std::os::fd::AsRawFd as _;
        libc::fcntl(screen.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
        libc::fcntl(screen.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(terminal.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
    }
    Ok((screen, terminal))
}
