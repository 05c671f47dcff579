//! All that knows libbpf. It turns what the kernel has into the plain values of
//! [`process`](crate::process), and formats nothing.

pub mod decode;
pub mod follow;
pub mod long_args;
pub mod loss_counters;
pub mod memlock;
pub mod preflight;
pub mod privileges;
pub mod realtime;
pub mod setup;
pub mod tracefs;
pub mod wakeup;
pub mod wanted;
pub mod watch_time;
pub mod write_limit;

/// The skeleton that build.rs generates from `src/bpf/kernel_and_user_map.bpf.c`.
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used, clippy::expect_used)]
pub mod skel {
    include!(concat!(env!("OUT_DIR"), "/kernel_and_user_map.skel.rs"));
}
