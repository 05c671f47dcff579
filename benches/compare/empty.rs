//! Empty BPF programs on both tracepoints: the least that anything costs there.

use std::mem::MaybeUninit;
use std::thread;

use anyhow::Result;
use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};

/// The skeleton that build.rs generates from `empty.bpf.c`.
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used, clippy::expect_used)]
mod skel {
    include!(concat!(env!("OUT_DIR"), "/empty.skel.rs"));
}

/// Holds the programs until a signal ends this process.
pub fn hold() -> Result<()> {
    let mut object = MaybeUninit::uninit();
    let mut skel = skel::EmptySkelBuilder::default().open(&mut object)?.load()?;
    skel.attach()?;
    loop {
        thread::park();
    }
}
