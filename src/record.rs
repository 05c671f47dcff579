//! Decoding: from the bytes of one map element to an owned [`Record`].

use std::fmt;
use std::mem::size_of;
use std::rc::Rc;

use crate::skel::types;

// SAFETY: both are `repr(C)` structs of integers and arrays of integers without
// padding (pinned by `_Static_assert` in the C header): any bytes are a value.
unsafe impl plain::Plain for types::process_key {}
// SAFETY: as above.
unsafe impl plain::Plain for types::process_info {}

/// One process for ever: a pid may be reused, but not with the same start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Thread group id in the initial pid namespace.
    pub pid: u32,
    /// `task->group_leader->start_boottime`: nanoseconds on the boot clock.
    pub start_time: u64,
}

/// One record of `process_map`: an exec or an exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub process: ProcessId,
    /// `task->self_exec_id`: how many execs led to the program that runs.
    pub exec_id: u32,
    /// When it happened, in nanoseconds on the boot clock.
    pub time: u64,
    pub ppid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id, in the initial user namespace.
    pub gid: u32,
    /// Id of the cgroup in the cgroup v2 hierarchy.
    pub cgroup_id: u64,
    /// Name of the main thread, at most 15 bytes.
    pub comm: Rc<[u8]>,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Exec(Program),
    Exit {
        /// As `wait(2)` reports it.
        wait_status: i32,
        usage: Usage,
    },
}

/// What a process has used up in its life, over all its threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds on a CPU, as the scheduler had them at its last look (`sum_exec_runtime`):
    /// what a thread ran since its last tick or switch, at most some milliseconds, is not in.
    pub cpu_ns: u64,
    /// The most memory it had resident at once (`signal_struct::maxrss`). The kernel keeps
    /// one figure for the life of a process, so where what ran before the exec, such as a
    /// large parent's copy, had more, the program's own is not known: `None`.
    pub max_rss_kib: Option<u64>,
    /// Page faults that waited for storage.
    pub major_faults: u64,
    /// Bytes read from storage, as `/proc/PID/io` has them. `None` on a kernel that does not
    /// count them (`CONFIG_TASK_IO_ACCOUNTING`).
    pub read_bytes: Option<u64>,
    /// Bytes written, or to be written, to storage.
    pub write_bytes: Option<u64>,
}

impl Usage {
    fn decode(usage: &types::process_usage) -> Self {
        // NOT_COUNTED in the C header; macros do not come through BTF.
        let counted = |bytes: u64| (bytes != u64::MAX).then_some(bytes);
        Self {
            cpu_ns: usage.cpu_ns,
            max_rss_kib: Some(kib(usage.max_rss)),
            major_faults: usage.major_faults,
            read_bytes: counted(usage.read_bytes),
            write_bytes: counted(usage.write_bytes),
        }
    }
}

fn kib(pages: u64) -> u64 {
    // SAFETY: always sound; it can't fail for a name that every system has.
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.unsigned_abs();
    pages.saturating_mul(page_size / 1024)
}

/// What an exec put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// As given to exec. `None` when it could not be read.
    pub filename: Option<Vec<u8>>,
    /// Whether the filename fills its place in the record, and so may have been longer.
    pub filename_truncated: bool,
    /// argv as the kernel lays it out: each argument with its NUL, or cut anywhere.
    argv: Vec<u8>,
    /// Bytes of the whole argv, of which `argv` may be the beginning only.
    argv_size: usize,
    /// The most memory that what ran in the process before had resident at once.
    pub max_rss_before_kib: u64,
}

impl Program {
    /// A program whose filename is whole. `argv_size` is the size of the whole argv.
    pub fn new(filename: Option<Vec<u8>>, argv: Vec<u8>, argv_size: usize) -> Self {
        Self { filename, filename_truncated: false, argv, argv_size, max_rss_before_kib: 0 }
    }

    /// Whether less is known than the whole argv.
    pub fn args_truncated(&self) -> bool {
        self.argv.len() < self.argv_size
    }

    /// Puts the whole argv in place of a cut one, if it is the same but for the cut.
    pub fn complete(&mut self, argv: Vec<u8>) {
        if argv.len() == self.argv_size && argv.starts_with(&self.argv) {
            self.argv = argv;
        }
    }

    /// Replaces each argument by what `f` makes of it.
    pub fn map_args(&mut self, f: impl Fn(&[u8]) -> Vec<u8>) {
        let truncated = self.args_truncated();
        let mut argv = Vec::with_capacity(self.argv.len());
        for arg in self.args() {
            argv.extend(f(arg));
            argv.push(0);
        }
        self.argv_size = argv.len() + usize::from(truncated);
        self.argv = argv;
    }

    /// The arguments, `argv[0]` first. Each ends with a NUL in memory, so an empty
    /// last argument is kept; of a truncated argv the last one may be cut.
    pub fn args(&self) -> impl Iterator<Item = &[u8]> {
        let argv = self.argv.strip_suffix(&[0]).unwrap_or(&self.argv);
        // An argv of no bytes has no arguments; splitting it would give one.
        let parts = if self.argv.is_empty() { 0 } else { usize::MAX };
        argv.split(|&byte| byte == 0).take(parts)
    }
}

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

impl Record {
    /// Decodes one element of `process_map`.
    ///
    /// # Errors
    ///
    /// When the sizes are not those of the C structs, or the event is unknown. Lengths
    /// inside the record are not trusted: they are cut to the size of their array.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        // plain takes a longer slice too; here a longer one is another layout.
        if key.len() != size_of::<types::process_key>() {
            return Err(DecodeError::KeySize(key.len()));
        }
        if value.len() != size_of::<types::process_info>() {
            return Err(DecodeError::ValueSize(value.len()));
        }
        // A copy, since the bytes of a `Vec<u8>` need not be aligned for a u64.
        let mut k = types::process_key::default();
        let mut v = types::process_info::default();
        plain::copy_from_bytes(&mut k, key).map_err(|_| DecodeError::KeySize(key.len()))?;
        plain::copy_from_bytes(&mut v, value).map_err(|_| DecodeError::ValueSize(value.len()))?;

        let kind = match k.event {
            types::event::EVENT_EXEC => {
                let filename = prefix(&v.filename, v.filename_size);
                let argv = prefix(&v.args, v.args_read);
                Kind::Exec(Program {
                    filename: (!filename.is_empty()).then(|| until_nul(filename).to_vec()),
                    filename_truncated: filename.len() == v.filename.len(),
                    argv: argv.to_vec(),
                    argv_size: v.args_size as usize,
                    max_rss_before_kib: kib(v.usage.max_rss),
                })
            }
            types::event::EVENT_EXIT => Kind::Exit {
                wait_status: v.wait_status.cast_signed(),
                usage: Usage::decode(&v.usage),
            },
            types::event(other) => return Err(DecodeError::Event(other)),
        };
        Ok(Self {
            process: ProcessId { pid: k.pid, start_time: k.start_time },
            exec_id: k.exec_id,
            time: v.time,
            ppid: v.ppid,
            uid: v.uid,
            gid: v.gid,
            cgroup_id: v.cgroup_id,
            comm: until_nul(&v.comm).into(),
            kind,
        })
    }
}

fn prefix(bytes: &[u8], len: u32) -> &[u8] {
    &bytes[..bytes.len().min(len as usize)]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
            cgroup_id: 5,
            args_size,
            args_read: u32::try_from(argv.len()).expect("short"),
            filename_size: 8,
            ..Default::default()
        };
        info.comm[..3].copy_from_slice(b"ls\0");
        info.filename[..8].copy_from_slice(b"/bin/ls\0");
        info.args[..argv.len()].copy_from_slice(argv);
        info
    }

    fn program(argv: &[u8], args_size: u32) -> Program {
        let info = exec_info(argv, args_size);
        let record = Record::decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
        match record.expect("decodes").kind {
            Kind::Exec(program) => program,
            Kind::Exit { .. } => panic!("an exec was decoded as an exit"),
        }
    }

    #[test]
    fn an_exec_keeps_every_field() {
        let info = exec_info(b"ls\0-l\0", 6);
        let record = Record::decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
        assert_eq!(
            record.expect("decodes"),
            Record {
                process: ProcessId { pid: 42, start_time: 7 },
                exec_id: 3,
                time: 9,
                ppid: 1,
                uid: 1000,
                gid: 100,
                cgroup_id: 5,
                comm: Rc::from(*b"ls"),
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
        let info = types::process_info { wait_status: 0x8b, usage, ..Default::default() };
        let record = Record::decode(&bytes_of(&key(types::event::EVENT_EXIT)), &bytes_of(&info));
        let usage = Usage {
            cpu_ns: 1,
            max_rss_kib: Some(kib(2)),
            major_faults: 3,
            read_bytes: Some(4),
            write_bytes: None,
        };
        assert_eq!(record.expect("decodes").kind, Kind::Exit { wait_status: 0x8b, usage });
    }

    #[test]
    fn arguments_are_split_where_the_kernel_put_a_nul() {
        let args = |argv: &[u8]| {
            program(argv, u32::try_from(argv.len()).expect("short"))
                .args()
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        assert_eq!(args(b""), Vec::<Vec<u8>>::new());
        assert_eq!(args(b"\0"), [b"".to_vec()]);
        assert_eq!(args(b"a\0"), [b"a".to_vec()]);
        assert_eq!(args(b"a\0b\0\0"), [b"a".to_vec(), b"b".to_vec(), b"".to_vec()]);
        assert_eq!(args(b"a\0b"), [b"a".to_vec(), b"b".to_vec()]);
    }

    #[test]
    fn a_cut_argv_is_known_to_be_cut() {
        assert!(!program(b"a\0", 2).args_truncated());
        assert!(program(b"a\0", 3).args_truncated());
    }

    #[test]
    fn a_cut_argv_is_completed_by_its_own_rest_only() {
        let completed = |rest: &[u8]| {
            let mut program = program(b"a\0b", 6);
            program.complete(rest.to_vec());
            (program.args().last().map(<[u8]>::to_vec), program.args_truncated())
        };
        assert_eq!(completed(b"a\0bcd\0"), (Some(b"bcd".to_vec()), false));
        assert_eq!(completed(b"x\0bcd\0"), (Some(b"b".to_vec()), true));
        assert_eq!(completed(b"a\0bcde\0"), (Some(b"b".to_vec()), true));
    }

    #[test]
    fn changed_arguments_stay_cut_if_they_were() {
        let mut cut = program(b"a\0b", 6);
        cut.map_args(|arg| [arg, arg].concat());
        assert_eq!(cut.args().collect::<Vec<_>>(), [b"aa", b"bb"]);
        assert!(cut.args_truncated());
        let mut whole = program(b"a\0\0", 3);
        whole.map_args(<[u8]>::to_vec);
        assert_eq!(whole, program(b"a\0\0", 3));
    }

    #[test]
    fn a_filename_that_fills_its_place_may_have_been_longer() {
        assert!(!program(b"a\0", 2).filename_truncated);
        let mut info = exec_info(b"a\0", 2);
        info.filename.fill(b'x');
        info.filename_size = u32::MAX;
        let record = Record::decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
        let Kind::Exec(program) = record.expect("decodes").kind else { panic!("an exec") };
        assert!(program.filename_truncated);
    }

    #[test]
    fn lengths_beyond_their_array_are_cut() {
        let mut info = exec_info(b"a\0", 2);
        info.args_read = u32::MAX;
        info.filename_size = u32::MAX;
        let record = Record::decode(&bytes_of(&key(types::event::EVENT_EXEC)), &bytes_of(&info));
        assert!(record.is_ok());
    }

    #[test]
    fn bytes_of_another_layout_are_refused() {
        let key_bytes = bytes_of(&key(types::event::EVENT_EXEC));
        let value = bytes_of(&exec_info(b"a\0", 2));
        assert_eq!(Record::decode(&key_bytes[1..], &value), Err(DecodeError::KeySize(23)));
        assert_eq!(
            Record::decode(&key_bytes, &value[1..]),
            Err(DecodeError::ValueSize(value.len() - 1))
        );
        let unknown = bytes_of(&key(types::event(9)));
        assert_eq!(Record::decode(&unknown, &value), Err(DecodeError::Event(9)));
    }
}
