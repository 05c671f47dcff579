//! The demo that the lesson begins with, user half: reads the map of `lesson.bpf.c` once a
//! period, and prints it.
//!
//! It has faults, on purpose: docs/lesson.md finds them one by one, and shows what cures
//! them. The cured program is `src/main.rs`.

use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};
use libbpf_rs::{MapCore, MapFlags};

/// The skeleton that build.rs generates from `lesson.bpf.c`.
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used, clippy::expect_used)]
mod skel {
    include!(concat!(env!("OUT_DIR"), "/lesson.skel.rs"));
}

/// Print the processes that have started and not ended, once a period.
#[derive(Parser)]
struct Options {
    /// Time between two reads of the map
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    period: Duration,
}

fn seconds(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `| head` has seen enough
        Err(error) => {
            eprintln!("lesson: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut object = MaybeUninit::uninit();
    let open_skel = skel::LessonSkelBuilder::default().open(&mut object)?;
    let mut skel = open_skel.load().context("could not load the BPF programs; are you root?")?;
    skel.attach().context(
        "could not attach the BPF programs (is tracefs missing? \
         mount -t tracefs tracefs /sys/kernel/tracing)",
    )?;

    let (ask, asked) = channel();
    ctrlc::set_handler(move || ask.send(()).unwrap_or_default())
        .context("could not handle Ctrl-C")?;
    while asked.recv_timeout(options.period) == Err(RecvTimeoutError::Timeout) {
        print(&skel.maps.process_map)?;
    }
    drop(skel); // destroy
    Ok(())
}

fn print(process_map: &impl MapCore) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "    PID NAME")?;
    for key in process_map.keys() {
        if let Some(comm) = process_map.lookup(&key, MapFlags::ANY)? {
            let pid = u32::from_ne_bytes(key.as_slice().try_into()?);
            let name = comm.split(|&byte| byte == 0).next().unwrap_or_default();
            writeln!(stdout, "{pid:7} {}", String::from_utf8_lossy(name))?;
        }
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
