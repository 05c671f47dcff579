use super::*;

fn bytes_of<T: plain::Plain>(value: &T) -> Vec<u8> {
    // SAFETY: `Plain` types are made of initialised bytes only.
    unsafe { plain::as_bytes(value) }.to_vec()
}

fn key(event: types::event) -> types::process_key {
    types::process_key { start_time: 7, pid: 42, exec_id: 3, event, pad: 0 }
}

fn exec_info(argv: &[u8], args_size: u32) -> types::process_info {
    let mut info = types::process_info {
        time: 9,
        ppid: 1,
        uid: 1000,
        gid: 100,
        started_by: 3,
        cgroup_id: 5,
        args_size,
        args_read: u32::try_from(argv.len()).expect("short"),
        filename_size: 8,
        ..Default::default()
    };
    info.comm[..3].copy_from_slice(b"ls\0");
    info.parent_comm[..3].copy_from_slice(b"sh\0");
    info.filename[..8].copy_from_slice(b"/bin/ls\0");
    info.args[..argv.len()].copy_from_slice(argv);
    info
}

fn program(argv: &[u8], args_size: u32) -> Program {
    let info = exec_info(argv, args_size);
    let record = decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
    match record.expect("decodes").kind {
        Kind::Exec(program) => program,
        Kind::Exit { .. } => panic!("an exec was decoded as an exit"),
    }
}

#[test]
fn an_exec_keeps_every_field() {
    let info = exec_info(b"ls\0-l\0", 6);
    let record = decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
    assert_eq!(
        record.expect("decodes"),
        Record {
            process: ProcessId { pid: 42, start_time: 7 },
            exec_id: 3,
            time: 9,
            common: Common {
                ppid: 1,
                uid: 1000,
                gid: 100,
                started_by: 3,
                cgroup_id: 5,
                comm: (*b"ls").into(),
                parent_comm: Some((*b"sh").into()),
                parent_start: None,
                ancestors: None,
            },
            kind: Kind::Exec(Program::new(Some(b"/bin/ls".to_vec()), b"ls\0-l\0".to_vec(), 6)),
        }
    );
}

#[test]
fn an_exit_keeps_its_status_and_its_usage() {
    let usage = types::process_usage {
        cpu_ns: 1,
        max_rss: 2,
        major_faults: 3,
        read_bytes: 4,
        write_bytes: u64::MAX,
    };
    let info =
        types::process_info { wait_status: 0x8b, usage, parent_exec_id: 5, ..Default::default() };
    let record = decode(&bytes_of(&key(types::event::EVENT_EXIT)), &bytes_of(&info));
    let usage = Usage {
        cpu_ns: 1,
        max_rss_kib: Some(kib(2)),
        major_faults: 3,
        read_bytes: Some(4),
        write_bytes: None,
    };
    assert_eq!(
        record.expect("decodes").kind,
        Kind::Exit { wait_status: 0x8b, usage, parent_exec_id: 5 }
    );
}

#[test]
fn a_filename_that_fills_its_place_may_have_been_longer() {
    assert!(!program(b"a\0", 2).filename_truncated);
    let mut info = exec_info(b"a\0", 2);
    info.filename.fill(b'x');
    info.filename_size = u32::MAX;
    let record = decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
    let Kind::Exec(program) = record.expect("decodes").kind else { panic!("an exec") };
    assert!(program.filename_truncated);
}

#[test]
fn lengths_beyond_their_array_are_cut() {
    let mut info = exec_info(b"a\0", 2);
    info.args_read = u32::MAX;
    info.filename_size = u32::MAX;
    let record = decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
    assert!(record.is_ok());
}

#[test]
fn bytes_of_another_layout_are_refused() {
    let key_bytes = bytes_of(&key(types::event::EVENT_EXEC));
    let value = bytes_of(&exec_info(b"a\0", 2));
    assert_eq!(decode(&key_bytes[1..], &value), Err(DecodeError::KeySize(23)));
    assert_eq!(decode(&key_bytes, &value[1..]), Err(DecodeError::ValueSize(value.len() - 1)));
    let unknown = bytes_of(&key(types::event(9)));
    assert_eq!(decode(&unknown, &value), Err(DecodeError::Event(9)));
}
