//! What the system knows beside the records: `/proc`, cgroups, users, clocks, signals;
//! and stderr, where a person is told.

pub mod cgroups;
pub mod clock;
pub mod command;
pub mod hangup;
pub mod host;
pub mod identity;
pub mod names;
pub mod proc;
pub mod remembered;
pub mod slow_file;
pub mod stderr;
pub mod stop;
pub mod terminal;
pub mod users;
