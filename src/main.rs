//! Lesson 5: a BPF program and a user program that talk through a map.
//!
//! The kernel half (`src/bpf/kernel_and_user_map.bpf.c`) puts a record into `process_map`
//! for every exec and every exit. This half opens, loads and attaches it, reads the map
//! once a period, reports what it finds, and takes everything down on Ctrl-C.

use std::mem::MaybeUninit;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use kernel_and_user_map::follow;
use kernel_and_user_map::kernel::skel::{KernelAndUserMapSkel, KernelAndUserMapSkelBuilder};
use kernel_and_user_map::kernel::{decode, preflight, privileges, realtime, setup};
use kernel_and_user_map::options::Options;
use kernel_and_user_map::process::record::Record;
use kernel_and_user_map::report::sink::is_broken_pipe;
use kernel_and_user_map::system::clock::boot_now;
use kernel_and_user_map::system::{hangup, stderr, stop};
use kernel_and_user_map::watch::Watch;
use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};
use libbpf_rs::{MapCore, MapFlags};

fn main() -> ExitCode {
    let options = Options::of_command_line();
    match run(&options) {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `| head` has seen enough
        Err(error) => {
            let error = preflight::explain(error, options.max_entries);
            stderr::print(format_args!("kernel_and_user_map: error: {error:#}\n"));
            options.failure_status(&error)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    hangup::keep_if(options.to.is_some())?; // from now on, it has the file opened anew

    // Open: libbpf parses the object file that build.rs put into the skeleton.
    preflight::libbpf_messages(options.verbose > 1);
    let mut object = MaybeUninit::uninit();
    let mut open_skel = KernelAndUserMapSkelBuilder::default().open(&mut object)?;

    // Configure: what can't be changed once the kernel has it.
    open_skel.maps.process_map.set_max_entries(options.max_entries)?;
    options.wanted().configure(&mut open_skel, options.max_entries)?;
    follow::configure(&mut open_skel, options)?;
    let twins = setup::choose_hooks(&mut open_skel, options.follows(), options.verbose > 0);

    // Load: the kernel creates the maps, and verifies and compiles the programs.
    let mut skel = open_skel.load()?;
    options.wanted().tell(&skel)?;

    // Attach: the programs run at every exec and exit. When all are there, the watch begins.
    skel.attach()?;
    let command = follow::begin(options, &mut skel)?;
    let duties = follow::duties(options)?;
    privileges::drop_all(&duties, options.verbose > 0)?; // reading takes less than loading
    let mut stop = stop::on_signals(command, options.to.is_some())?;
    let mut watch = Watch::begin(options, &mut skel, twins)?;

    // Read and report, until Ctrl-C.
    stop.let_command_go()?;
    watch.enter_screen()?;
    let result = read_and_report(&mut skel, &mut watch, &stop);
    watch.leave_screen();
    if !result.as_ref().is_err_and(is_broken_pipe) {
        stderr::print(watch.closing_account(&mut skel)?);
    }

    // Destroy: the kernel frees programs and maps when nobody holds them any more.
    drop(skel);
    result?;
    watch.exit_status(stop.command_status(), options.fail_on_loss)
}

/// Reads the map once a period, or sooner when it fills up, and reports what was in it.
fn read_and_report(
    skel: &mut KernelAndUserMapSkel<'_>,
    watch: &mut Watch,
    stop: &stop::Stop,
) -> Result<()> {
    while watch.sleep(skel, stop)? {
        let read_at = boot_now();
        watch.report(read(&skel.maps.process_map)?, read_at, skel)?;
    }
    // The watch ends before any hook goes: until then, its account is true.
    watch.end(skel);
    watch.report_last(read(&skel.maps.process_map)?, skel)
}

/// Takes all records out of the map. First all keys, then the records: a walk with `keys()` that
/// deletes behind itself would start over, since the kernel looks for the key after the last one.
fn read(process_map: &impl MapCore) -> Result<Vec<Record>> {
    const AT_ONCE: usize = 128; // one system call deletes so many, and makes room for new ones
    let keys: Vec<_> = process_map.keys().collect();
    let _guard = (!keys.is_empty()).then(realtime::RealTime::begin);
    let mut records = Vec::with_capacity(keys.len());
    for keys in keys.chunks(AT_ONCE) {
        for key in keys {
            let value = process_map.lookup(key, MapFlags::ANY).context("can't read process_map")?;
            let value = value.context("another program deletes records of process_map")?;
            records.push(decode::decode(key, &value)?);
        }
        process_map
            .delete_batch(&keys.concat(), keys.len() as u32, MapFlags::ANY, MapFlags::ANY)
            .context("can't delete records of process_map")?;
    }
    Ok(records)
}
