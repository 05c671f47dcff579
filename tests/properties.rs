//! What holds for any bytes whatever: those of a record, and those of a command line.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

use kernel_and_user_map::clock::Clock;
use kernel_and_user_map::join::{Event, EventKind, Origin};
use kernel_and_user_map::json;
use kernel_and_user_map::options::TimeStyle;
use kernel_and_user_map::output::Facts;
use kernel_and_user_map::record::{Kind, ProcessId, Program, Record};
use kernel_and_user_map::skel::types;
use kernel_and_user_map::table::{Table, Terminal};
use kernel_and_user_map::wait_status::Outcome;
use proptest::prelude::*;

const KEY: usize = size_of::<types::process_key>();
const VALUE: usize = size_of::<types::process_info>();

/// Bytes that favour what is dangerous: controls, quotes, broken and unusual UTF-8.
fn text() -> impl Strategy<Value = Vec<u8>> {
    const DANGEROUS: &[&[u8]] = &[
        b"\n",
        b"\r",
        b"\x1b[2J",
        b"\x7f",
        b"\xc2\x9b",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
        b"\xff",
        b"\xe2\x80",
        b"'",
        b"\"",
        b"\\",
        b"\0",
        b" ",
        "…".as_bytes(),
        "日本".as_bytes(),
    ];
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        "[ -~]{1,8}".prop_map(String::into_bytes),
        proptest::sample::select(DANGEROUS).prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn with_event<T>(
    argv: Vec<u8>,
    comm: &[u8],
    filename: Option<Vec<u8>>,
    status: i32,
    truncated: bool,
    f: impl FnOnce(&Event<'_>) -> T,
) -> T {
    let program = Program::new(filename, argv.clone(), argv.len() + usize::from(truncated));
    let outcome = Some(Outcome::from_wait_status(status));
    f(&Event {
        kind: EventKind::Exit { outcome, duration: Some(1), usage: None },
        time: 2,
        process: ProcessId { pid: 1, start_time: 1 },
        ppid: 1,
        parent: Some(comm),
        uid: 0,
        gid: 0,
        cgroup_id: 0,
        exec_id: 0,
        comm,
        program: Some(&program),
        origin: Origin { uid: 0, cgroup_id: 0, comm },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_bytes_of_the_right_size_decode_or_are_refused(
        key in prop::collection::vec(any::<u8>(), KEY),
        value in prop::collection::vec(any::<u8>(), VALUE),
        event in 0_u32..4,
    ) {
        let mut key = key;
        key[16..20].copy_from_slice(&event.to_ne_bytes());
        match Record::decode(&key, &value) {
            Ok(Record { kind: Kind::Exec(program), .. }) => {
                prop_assert_eq!(event, 0);
                prop_assert!(program.args().map(|arg| arg.len() + 1).sum::<usize>() <= VALUE);
            }
            Ok(Record { kind: Kind::Exit { .. }, .. }) => prop_assert_eq!(event, 1),
            Err(_) => prop_assert!(event > 1),
        }
    }

    #[test]
    fn bytes_of_any_other_size_are_refused(
        key in prop::collection::vec(any::<u8>(), 0..2 * KEY),
        value in prop::collection::vec(any::<u8>(), 0..2 * VALUE),
    ) {
        prop_assume!((key.len(), value.len()) != (KEY, VALUE));
        prop_assert!(Record::decode(&key, &value).is_err());
    }

    #[test]
    fn a_line_of_the_table_is_one_line_without_controls(
        argv in text(), comm in text(), status in any::<i32>(), truncated: bool,
        width in prop::option::of(0_usize..200),
    ) {
        let mut out = Vec::new();
        with_event(argv, &comm, None, status, truncated, |event| {
            let mut table = Table::new(Terminal { size: width.map(|width| (width, 24)), colour: false }, TimeStyle::Local);
            table.event(&mut out, event, &Clock::new(), &Facts::default())
        })
        .expect("memory");
        let line = String::from_utf8(out).expect("UTF-8");
        let line = line.strip_suffix('\n').expect("a line");
        prop_assert!(!line.contains(char::is_control), "{line:?}");
        prop_assert!(!line.contains(['\u{2028}', '\u{2029}']), "{line:?}");
    }

    #[test]
    fn a_line_of_json_parses_to_what_was_put_in(
        argv in text(), comm in text(), filename in prop::option::of(text()), status in any::<i32>(),
        truncated: bool,
    ) {
        let args: Vec<_> = Program::new(None, argv.clone(), argv.len())
            .args()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        let mut out = Vec::new();
        with_event(argv, &comm, filename, status, truncated, |event| {
            json::event(&mut out, event, &Clock::new(), &Facts::default())
        })
        .expect("memory");
        let line = String::from_utf8(out).expect("UTF-8");
        prop_assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(&value["args"], &serde_json::json!(args));
        prop_assert_eq!(&value["comm"], &serde_json::json!(String::from_utf8_lossy(&comm)));
        prop_assert_eq!(value["exit_code"].is_null(), !value["signal"].is_null());
    }
}
