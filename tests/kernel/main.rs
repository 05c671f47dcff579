//! The real program on the real kernel: each test starts it, starts real processes, and
//! looks for them in its output. Needs root; without it, the tests fail.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod account;
mod ancestors;
mod basics;
mod births;
mod caller;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod console;
mod crowds;
mod ecs;
mod edges;
mod ends;
mod execs;
mod facts;
mod faults;
mod filters;
mod follow;
mod following;
mod hostile;
mod interface;
mod lies;
mod live;
mod losses;
mod memory;
mod names;
mod namespaces;
#[path = "../common/rotated.rs"]
mod rotated;
mod rotation;
mod running;
mod saved;
#[path = "../common/schema.rs"]
mod schema;
mod signals;
mod soak;
mod storms;
mod support;
mod tables;
mod terminal;
mod threads;
mod truth;
mod views;
