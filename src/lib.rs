//! Watches every program that starts and ends, through an eBPF map.
//!
//! `main.rs` is the story; a module holds one thing it needs:
//!
//! | module | holds |
//! |---|---|
//! | [`options`] | the command line |
//! | [`preflight`], [`privileges`] | what is missing when the kernel refuses; what is given up after |
//! | [`schedule`], [`bell`], [`stop`] | when to read, when to end |
//! | [`record`] | bytes of the map to owned Rust types |
//! | [`watch`] | from the records of one read to the output |
//! | [`join`] | records in time order, exits joined to their execs |
//! | [`loss`], [`summary`] | what the kernel could not deliver; the closing account |
//! | [`filter`], [`tally`] | which events are shown; the commands that ran |
//! | [`output`], [`table`], [`json`] | events to text |
//! | [`clock`], [`users`], [`cgroups`], [`wait_status`], [`proc`] | what the system knows beside the records |

pub mod bell;
pub mod cgroups;
pub mod clock;
pub mod filter;
pub mod join;
pub mod json;
pub mod loss;
pub mod options;
pub mod output;
pub mod preflight;
pub mod priority;
pub mod privileges;
pub mod proc;
pub mod record;
pub mod schedule;
pub mod stop;
pub mod summary;
pub mod table;
pub mod tally;
pub mod users;
pub mod wait_status;
pub mod watch;

/// The skeleton that build.rs generates from `src/bpf/kernel_and_user_map.bpf.c`.
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used, clippy::expect_used)]
pub mod skel {
    include!(concat!(env!("OUT_DIR"), "/kernel_and_user_map.skel.rs"));
}
