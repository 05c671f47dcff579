//! What can't be saved: BPF programs that do nothing, or only put a record into a map; and reading
//! records out of one.

use std::mem::MaybeUninit;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser as _;
use floor::FloorSkelBuilder;
use kernel_and_user_map::follow;
use kernel_and_user_map::kernel::setup;
use kernel_and_user_map::kernel::skel::KernelAndUserMapSkelBuilder;
use kernel_and_user_map::options::Options;
use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};
use libbpf_rs::{MapCore, MapFlags};

use crate::machine::program;
use crate::{ROUNDS, median, progress};

/// The options of this program that hold one of both kinds.
pub const NOTHING: &str = "--nothing";
pub const INSERT: &str = "--insert";

/// Holds the programs until a signal ends this process.
///
/// # Errors
///
/// When the kernel refuses them.
pub fn hold(kind: &str) -> Result<()> {
    let mut object = MaybeUninit::uninit();
    let mut open_skel = FloorSkelBuilder::default().open(&mut object)?;
    let inserts = kind == INSERT;
    open_skel.progs.exec_nothing.set_autoload(!inserts);
    open_skel.progs.exit_nothing.set_autoload(!inserts);
    open_skel.progs.exec_insert.set_autoload(inserts);
    open_skel.progs.exit_insert.set_autoload(inserts);
    let mut skel = open_skel.load()?;
    skel.attach()?;
    loop {
        sleep(Duration::from_millis(30)); // as often as the program reads in a storm
        take_all(&skel.maps.records)?;
    }
}

/// Microseconds that it takes to read two records, what a process has, out of a map with `keys()`
/// and `lookup()`, and to delete them.
///
/// # Errors
///
/// When the kernel refuses the map.
pub fn reading() -> Result<f64> {
    const PROCESSES: u64 = 256; // of one read in a storm
    let mut object = MaybeUninit::uninit();
    let mut open_skel = FloorSkelBuilder::default().open(&mut object)?;
    for mut program in open_skel.open_object_mut().progs_mut() {
        program.set_autoload(false);
    }
    let skel = open_skel.load()?;
    let records = &skel.maps.records;
    let (mut figures, value) = (Vec::new(), vec![0; records.value_size() as usize]);
    for _ in 0..20 * ROUNDS {
        for number in 0..2 * PROCESSES {
            let mut key = vec![0; records.key_size() as usize];
            key[..8].copy_from_slice(&number.to_ne_bytes());
            records.update(&key, &value, MapFlags::ANY)?;
        }
        let begun = Instant::now();
        take_all(records)?;
        figures.push(begun.elapsed().as_secs_f64() * 1e6 / PROCESSES as f64);
    }
    Ok(median(&figures))
}

/// Milliseconds from opening BPF programs to having them attached.
pub struct Loading {
    /// Two that do nothing.
    pub empty_ms: f64,
    /// The program's own, which is all that it does before it watches.
    pub ours_ms: f64,
}

/// # Errors
///
/// When the kernel refuses them.
pub fn loading() -> Result<Loading> {
    let (mut empty, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        progress(&format!("round {round} of {ROUNDS}: loading alone"));
        empty.push(ms_to_load_empty()?);
        ours.push(ms_to_load_ours()?);
    }
    Ok(Loading { empty_ms: median(&empty), ours_ms: median(&ours) })
}

fn ms_to_load_empty() -> Result<f64> {
    let begun = Instant::now();
    let mut object = MaybeUninit::uninit();
    let mut open_skel = FloorSkelBuilder::default().open(&mut object)?;
    open_skel.progs.exec_insert.set_autoload(false);
    open_skel.progs.exit_insert.set_autoload(false);
    let mut skel = open_skel.load()?;
    skel.attach()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// As `run` in src/main.rs.
fn ms_to_load_ours() -> Result<f64> {
    let options = Options::parse_from([program()]);
    let begun = Instant::now();
    let mut object = MaybeUninit::uninit();
    let mut open_skel = KernelAndUserMapSkelBuilder::default().open(&mut object)?;
    open_skel.maps.process_map.set_max_entries(options.max_entries)?;
    options.wanted().configure(&mut open_skel, options.max_entries)?;
    follow::configure(&mut open_skel, &options)?;
    setup::choose_hooks(&mut open_skel, options.follows(), false);
    let mut skel = open_skel.load()?;
    skel.attach()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// As `read` in src/main.rs.
fn take_all(map: &impl MapCore) -> Result<()> {
    let keys: Vec<_> = map.keys().collect();
    for keys in keys.chunks(128) {
        for key in keys {
            map.lookup(key, MapFlags::ANY)?;
        }
        map.delete_batch(&keys.concat(), keys.len() as u32, MapFlags::ANY, MapFlags::ANY)?;
    }
    Ok(())
}
