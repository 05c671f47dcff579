//! Events as the map holds them, and their way through user space without a kernel.

#![allow(
    clippy::expect_used,
    dead_code,
    reason = "a bench that can't go on has failed; each uses a part"
)]

use std::fs::File;
use std::io::{self, BufWriter};

use kernel_and_user_map::kernel::decode::decode;
use kernel_and_user_map::kernel::skel::types;
use kernel_and_user_map::process::event::{Event, Names};
use kernel_and_user_map::process::record::Record;
use kernel_and_user_map::process::tracker::Tracker;
use kernel_and_user_map::process::wall_clock::WallClock;
use kernel_and_user_map::report::charset::Charset;
use kernel_and_user_map::report::{Output, Report};

/// Processes of one read: what a busy machine starts and ends in a second.
const PROCESSES: u32 = 1000;
pub const EVENTS: usize = 2 * PROCESSES as usize;

const ARGV: &[u8] = b"grep\0--recursive\0--line-number\0name with spaces\0src\0";
const FILENAME: &[u8] = b"/usr/bin/grep\0";

pub type Bytes = (Vec<u8>, Vec<u8>);

/// Keys and values as the map holds them: an exec and an exit of each process.
pub fn elements() -> Vec<Bytes> {
    let mut elements = Vec::new();
    for pid in 1..=PROCESSES {
        for event in [types::event::EVENT_EXEC, types::event::EVENT_EXIT] {
            let start_time = u64::from(pid) * 1_000_000;
            let is_exit = event == types::event::EVENT_EXIT;
            let key = types::process_key { start_time, pid, exec_id: 9, event, pad: 0 };
            let mut info = types::process_info {
                time: start_time + if is_exit { 900_000 } else { 100_000 },
                ppid: 1,
                cgroup_id: 1,
                ..Default::default()
            };
            info.comm[..4].copy_from_slice(b"grep");
            if !is_exit {
                info.args[..ARGV.len()].copy_from_slice(ARGV);
                info.args_size = ARGV.len() as u32;
                info.args_read = ARGV.len() as u32;
                info.filename[..FILENAME.len()].copy_from_slice(FILENAME);
                info.filename_size = FILENAME.len() as u32;
            }
            elements.push((bytes_of(&key), bytes_of(&info)));
        }
    }
    elements
}

fn bytes_of<T: plain::Plain>(value: &T) -> Vec<u8> {
    // SAFETY: `Plain` types are made of initialised bytes only.
    unsafe { plain::as_bytes(value) }.to_vec()
}

pub fn decoded(elements: &[Bytes]) -> Vec<Record> {
    elements.iter().filter_map(|(key, value)| decode(key, value).ok()).collect()
}

/// What has been read once, as events.
pub fn tracked(records: Vec<Record>, mut each: impl FnMut(&Event<'_>) -> io::Result<()>) {
    let mut tracker = Tracker::default();
    records.into_iter().for_each(|record| tracker.add(record));
    let printed = tracker.events_before(u64::MAX, &mut each);
    assert!(printed.is_ok(), "/dev/null takes everything");
}

pub fn dev_null() -> BufWriter<File> {
    let file = File::options().write(true).open("/dev/null").expect("there is a /dev/null");
    BufWriter::with_capacity(64 * 1024, file)
}

pub fn print(to: &mut BufWriter<File>, records: Vec<Record>, report: &mut impl Report) {
    let names = Names { user: Some("root".into()), cgroup: None };
    let mut out = Output { to, clock: WallClock::default(), window: None, charset: Charset::Utf8 };
    tracked(records, |event| report.event(&mut out, event, &names).map(|_| ()));
}
