//! What the system knows beside the records: `/proc`, cgroups, user names, clocks, signals.

pub mod cgroups;
pub mod clock;
pub mod names;
pub mod proc;
pub mod slow_file;
pub mod stop;
pub mod users;
