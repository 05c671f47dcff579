//! What the suites share: the program and processes to watch, and what is true of them.

#![allow(dead_code, reason = "each suite needs a part of it")]

pub mod account;
pub mod cgroups;
pub mod console;
pub mod following;
pub mod logs;
pub mod nobody;
pub mod processes;
pub mod program;
pub mod rotated;
pub mod schema;
pub mod terminal;
pub mod truth;
pub mod watcher;
