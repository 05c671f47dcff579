//! Watches every program that starts and ends, through an eBPF map.
//!
//! `main.rs` is the story. What it needs stands in four rooms:
//!
//! | room | holds |
//! |---|---|
//! | [`kernel`] | all that knows libbpf: decoding, loss counters, the wake-up, privileges |
//! | [`process`] | processes and their events, as plain values: tracker, schedule, wait status |
//! | [`system`] | what the system knows beside the records: `/proc`, cgroups, users, clocks |
//! | [`report`] | events to text: one trait, one file a report |
//!
//! and what ties them together: [`options`], [`watch`] (from the records of one read to the
//! reports), [`look`] (what `/proc` knows beside them), [`reporter`] (filter, names and
//! reports). ARCHITECTURE.md has the reasons.

pub mod follow;
mod greeting;
pub mod kernel;
pub mod look;
pub mod options;
pub mod process;
pub mod report;
pub mod reporter;
pub mod system;
pub mod watch;
