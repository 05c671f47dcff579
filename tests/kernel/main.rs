//! The real program on the real kernel: each test starts it, starts real processes, and
//! looks for them in its output. Needs root; without it, the tests fail.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod basics;
mod facts;
mod hard;
mod interface;
mod storms;
mod support;
mod views;
