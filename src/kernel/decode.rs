//! Decoding: from the bytes of one map element to an owned [`Record`].

use std::ffi::CStr;
use std::fmt;
use std::sync::LazyLock;

use super::skel::types;
use crate::process::record::{Common, Kind, ProcessId, Program, RECORD_MAX, Record, Usage};

// SAFETY: both are `repr(C)` structs of integers and arrays of integers without
// padding (pinned by `_Static_assert` in the C header): any bytes are a value.
unsafe impl plain::Plain for types::process_key {}
// SAFETY: as above.
unsafe impl plain::Plain for types::process_info {}

/// Why bytes are no record. It means that the two halves were not built together.
#[derive(Debug, PartialEq, Eq)]
pub enum DecodeError {
    KeySize(usize),
    ValueSize(usize),
    Event(u32),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeySize(size) => write!(f, "a key of process_map has {size} bytes"),
            Self::ValueSize(size) => write!(f, "a value of process_map has {size} bytes"),
            Self::Event(event) => write!(f, "event {event} is neither exec nor exit"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Decodes one element of `process_map`.
///
/// # Errors
///
/// When the sizes are not those of the C structs, or the event is unknown. Lengths
/// inside the record are not trusted: they are cut to the size of their array.
pub fn decode(key: &[u8], value: &[u8]) -> Result<Record, DecodeError> {
    // plain takes a longer slice too; here a longer one is another layout.
    if key.len() != size_of::<types::process_key>() {
        return Err(DecodeError::KeySize(key.len()));
    }
    if value.len() != size_of::<types::process_info>() {
        return Err(DecodeError::ValueSize(value.len()));
    }
    let mut k = types::process_key::default();
    plain::copy_from_bytes(&mut k, key).map_err(|_| DecodeError::KeySize(key.len()))?;
    // The bytes of a `Vec<u8>` need not be aligned for a u64; where they are, no copy is made.
    let mut copy = None;
    let v = match plain::from_bytes::<types::process_info>(value) {
        Ok(value) => value,
        Err(_) => {
            let copy = copy.insert(types::process_info::default());
            plain::copy_from_bytes(copy, value).map_err(|_| DecodeError::ValueSize(value.len()))?;
            copy
        }
    };

    let kind = match k.event {
        types::event::EVENT_EXEC => {
            let filename = prefix(&v.filename, v.filename_size);
            let argv = prefix(&v.args, v.args_read);
            let filename_truncated = filename.len() == v.filename.len();
            let filename = (!filename.is_empty()).then(|| until_nul(filename).to_vec());
            let mut program = Program::new(filename, argv.to_vec(), v.args_size as usize);
            program.filename_truncated = filename_truncated;
            program.max_rss_before_kib = kib(v.usage.max_rss);
            Kind::Exec(program)
        }
        types::event::EVENT_EXIT => {
            let usage = decode_usage(&v.usage);
            let parent_exec_id = v.parent_exec_id;
            Kind::Exit { wait_status: v.wait_status as i32, usage, parent_exec_id }
        }
        types::event(other) => return Err(DecodeError::Event(other)),
    };
    Ok(Record {
        process: ProcessId { pid: k.pid, start_time: k.start_time },
        exec_id: k.exec_id,
        time: v.time,
        common: Common {
            ppid: v.ppid,
            uid: v.uid,
            gid: v.gid,
            started_by: v.started_by,
            cgroup_id: v.cgroup_id,
            comm: until_nul(&v.comm).into(),
            // 0: the idle task, which is no process.
            ancestors: None,
            parent_comm: (v.ppid != 0).then(|| until_nul(&v.parent_comm).into()),
            parent_start: None, // which the tracker fills in
        },
        kind,
    })
}

// Macros do not come through BTF, but the array does.
const _: fn(types::process_info) -> [u8; RECORD_MAX] = |info| info.args;

fn decode_usage(usage: &types::process_usage) -> Usage {
    // NOT_COUNTED in the C header; macros do not come through BTF.
    let counted = |bytes: u64| (bytes != u64::MAX).then_some(bytes);
    Usage {
        cpu_ns: usage.cpu_ns,
        max_rss_kib: Some(kib(usage.max_rss)),
        major_faults: usage.major_faults,
        read_bytes: counted(usage.read_bytes),
        write_bytes: counted(usage.write_bytes),
    }
}

fn kib(pages: u64) -> u64 {
    static PAGE_KIB: LazyLock<u64> = LazyLock::new(|| {
        // SAFETY: always sound; it can't fail for a name that every system has.
        unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.unsigned_abs() / 1024
    });
    pages.saturating_mul(*PAGE_KIB)
}

fn prefix(bytes: &[u8], len: u32) -> &[u8] {
    &bytes[..bytes.len().min(len as usize)]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes)
}

#[cfg(test)]
mod tests;
