//! BPF programs that do nothing, or only put a record into a map.

/// The skeleton that build.rs generates from `floor.bpf.c`.
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used, clippy::expect_used)]
mod skel {
    include!(concat!(env!("OUT_DIR"), "/floor.skel.rs"));
}

pub use skel::*;
