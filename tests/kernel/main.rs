//! What depends on the kernel: hooks, records, exits, execs, what is followed, filters, losses,
//! namespaces and storms. The real program watches real processes on the running kernel, and
//! `tests/kernels/run` does the same on others. Needs root; without it, the tests fail.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod ancestors;
mod basics;
mod births;
mod crowds;
mod edges;
mod ends;
mod execs;
mod facts;
mod faults;
mod filters;
mod follow;
mod hostile;
mod lies;
mod losses;
mod namespaces;
mod rights;
mod running;
mod soak;
mod storms;
#[path = "../support/mod.rs"]
mod support;
mod threads;
