//! Processes and what happens to them, as plain values. Nothing here knows the kernel's
//! interfaces, `/proc` or a form of output, so all of it is tested with values alone.

pub mod ancestors;
pub mod cgroup;
pub mod comm;
pub mod event;
pub mod live;
pub mod loss;
pub mod record;
pub mod redaction;
pub mod schedule;
pub mod tracker;
pub mod tree;
pub mod wait_status;
pub mod wall_clock;
