//! What no kernel decides: tables, the live view, saved files, rotation, options, signals, messages,
//! and whom the command runs as. The real program, as root. Without root, the tests fail.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod caller;
mod commands;
mod disks;
mod ecs;
mod forged;
mod interface;
mod live;
mod memory;
mod names;
mod rotation;
mod saved;
mod signals;
mod stream;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod views;
