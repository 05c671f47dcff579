//! Command lines of what is followed that are longer than their record
//! (`src/bpf/long_args.bpf.h`).

use anyhow::{Context as _, Result};
use libbpf_rs::{MapCore as _, MapFlags};

use super::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel, types};
use crate::process::record::{Kind, ProcessId, Record};

/// Of so many records that the map holds, one may have a long command line at the same time: the
/// map is read when 1/32 of it has filled up.
const RECORDS_EACH: u32 = 32;
const AT_LEAST: u32 = 64;

/// Makes room for them, beside so many records. To be called before the program is loaded.
///
/// # Errors
///
/// When libbpf refuses a size.
pub fn configure(
    open_skel: &mut OpenKernelAndUserMapSkel<'_>,
    records: u32,
) -> libbpf_rs::Result<()> {
    let hooks = open_skel.maps.record_buffers.max_entries();
    open_skel.maps.long_args_buffers.set_max_entries(hooks)?;
    open_skel.maps.long_args.set_max_entries((records / RECORDS_EACH).max(AT_LEAST))
}

/// Takes the command line of a record out of the map, if the record has not all of it.
///
/// # Errors
///
/// When the map can't be read.
pub fn take(skel: &KernelAndUserMapSkel<'_>, record: &mut Record) -> Result<()> {
    let Record { process: ProcessId { pid, start_time }, exec_id, .. } = *record;
    let Kind::Exec(program) = &mut record.kind else { return Ok(()) };
    if !program.args_truncated() {
        return Ok(());
    }
    let event = types::event::EVENT_EXEC;
    let key = types::process_key { start_time, pid, exec_id, event, pad: 0 };
    // SAFETY: `Plain`, so it has no padding.
    let key = unsafe { plain::as_bytes(&key) };
    let map = &skel.maps.long_args;
    if let Some(args) = map.lookup(key, MapFlags::ANY).context("could not read long_args")? {
        program.extend(args);
        map.delete(key).context("could not delete a command line of long_args")?;
    }
    Ok(())
}

/// Takes all out: after records were dropped, nobody asks for theirs.
///
/// # Errors
///
/// When the map can't be changed.
pub fn clear(skel: &KernelAndUserMapSkel<'_>) -> Result<()> {
    let map = &skel.maps.long_args;
    for key in map.keys().take(map.max_entries() as usize).collect::<Vec<_>>() {
        map.delete(&key).context("could not delete a command line of long_args")?;
    }
    Ok(())
}
