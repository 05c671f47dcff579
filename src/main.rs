//! Lesson 5: a BPF program and a user program that talk through a map.
//!
//! The kernel half (`src/bpf/kernel_and_user_map.bpf.c`) puts a record into `process_map`
//! for every exec and every exit. This half opens, loads and attaches it, reads the map
//! once a period, prints what it finds, and takes everything down on Ctrl-C.

use std::io;
use std::mem::{MaybeUninit, take};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use kernel_and_user_map::clock::boot_now;
use kernel_and_user_map::join::SETTLE_NS;
use kernel_and_user_map::options::{LOSS_STATUS, Options};
use kernel_and_user_map::output::Output;
use kernel_and_user_map::priority::Urgent;
use kernel_and_user_map::record::Record;
use kernel_and_user_map::skel::{KernelAndUserMapSkel, KernelAndUserMapSkelBuilder};
use kernel_and_user_map::stop::{self, Stop};
use kernel_and_user_map::watch::{Wake, Watch};
use kernel_and_user_map::{preflight, privileges};
use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};
use libbpf_rs::{MapCore, MapFlags};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `| head` has seen enough
        Err(error) => {
            eprintln!("kernel_and_user_map: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    let explain = |error| preflight::explain(options, &error);
    preflight::libbpf_messages(options.verbose);

    // Open: libbpf parses the object file that build.rs put into the skeleton.
    let mut object = MaybeUninit::uninit();
    let mut open_skel =
        KernelAndUserMapSkelBuilder::default().open(&mut object).map_err(explain)?;

    // Configure: what can't be changed once the kernel has it.
    let with_tracefs = preflight::tracefs_is_readable();
    let with_tp = with_tracefs && preflight::has_typed_tp();
    let maps = &mut open_skel.maps;
    maps.process_map.set_max_entries(options.max_entries).map_err(explain)?;
    maps.wanted_pids.set_max_entries(options.pid.len().max(1).try_into()?).map_err(explain)?;
    if let Some(constants) = &mut maps.rodata_data {
        constants.only_wanted_pids = (!options.pid.is_empty()).into();
    }
    open_skel.progs.exec_tp.set_autoload(with_tp);
    open_skel.progs.exit_tp.set_autoload(with_tp);
    if options.verbose && !with_tracefs {
        eprintln!("tracefs can't be read: attaching the tp_btf/ programs only");
    }

    // Load: the kernel creates the maps, and verifies and compiles the programs.
    let mut skel = open_skel.load().map_err(explain)?;
    for pid in &options.pid {
        skel.maps.wanted_pids.update(&pid.to_ne_bytes(), &[1], MapFlags::ANY).map_err(explain)?;
    }
    let output = Output::to_stdout(options)?;

    // Attach: from here on, every exec and every exit puts a record into the map.
    skel.attach().map_err(explain)?;
    let mut watch = Watch::new(options, output, &skel, with_tp)?;

    // Reading the map takes less than loading it did.
    let kept = privileges::drop_all().context("could not give up privileges")?;
    if options.verbose {
        eprintln!("{kept}");
    }

    // Read and print, until Ctrl-C.
    let stop = stop::on_signals()?;
    eprintln!("{}", watch.greeting());
    let result = read_and_print(&mut skel, &mut watch, &stop).and_then(|()| watch.print_commands());
    if !result.as_ref().is_err_and(is_broken_pipe) {
        eprint!("{}", watch.summary(&skel)?);
    }

    // Destroy: the kernel frees programs and maps when nobody holds them any more.
    drop(skel);
    result?;
    let lossy = options.fail_on_loss && !watch.loss().is_none();
    Ok(if lossy { ExitCode::from(LOSS_STATUS) } else { ExitCode::SUCCESS })
}

/// Reads the map once a period, or sooner when it fills up, and prints what was in it.
fn read_and_print(
    skel: &mut KernelAndUserMapSkel<'_>,
    watch: &mut Watch,
    stop: &Stop,
) -> Result<()> {
    while watch.sleep(skel, stop)? == Wake::Read {
        let walk_start = boot_now();
        let records = read(&skel.maps.process_map)?;
        // A record that is not in the map yet may be older than one that is: wait for it.
        watch.print(records, walk_start - SETTLE_NS, skel)?;
    }
    // Detach. What a program is just recording is in the map a moment later.
    drop(take(&mut skel.links));
    thread::sleep(Duration::from_nanos(SETTLE_NS));
    watch.print(read(&skel.maps.process_map)?, u64::MAX, skel)
}

/// Empties the mailbox. First all keys, then the records: a walk with `keys()` that deletes
/// behind itself would start over, since the kernel looks for the key after the last one.
fn read(process_map: &impl MapCore) -> Result<Vec<Record>> {
    let keys: Vec<_> = process_map.keys().collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let _urgent = Urgent::begin();
    let mut records = Vec::with_capacity(keys.len());
    for key in &keys {
        let value = process_map.lookup(key, MapFlags::ANY).context("could not read process_map")?;
        let Some(value) = value else { continue };
        process_map.delete(key).context("could not delete a record of process_map")?;
        records.push(Record::decode(key, &value)?);
    }
    Ok(records)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
