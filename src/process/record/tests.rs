use super::*;

fn program(argv: &[u8], argv_size: usize) -> Program {
    Program::new(None, argv.to_vec(), argv_size)
}

#[test]
fn arguments_are_split_where_the_kernel_put_a_nul() {
    let args =
        |argv: &[u8]| program(argv, argv.len()).args().map(<[u8]>::to_vec).collect::<Vec<_>>();
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
fn of_a_very_long_argv_the_beginning_is_kept() {
    let long = [b'x'; ARGV_MAX + 10];
    let mut program = program(&long[..304], ARGV_MAX + 10);
    program.complete(long.to_vec());
    assert_eq!(program.bytes(), 304, "that is more than is read");
    program.complete(long[..ARGV_MAX].to_vec());
    assert_eq!((program.bytes(), program.args_truncated()), (ARGV_MAX, true));
}

#[test]
fn what_is_cut_is_marked() {
    let mut program = Program::new(Some(b"/bin/long".to_vec()), b"ab\0cd\0".to_vec(), 6);
    program.cut(9);
    assert!(!program.args_truncated() && !program.filename_truncated);
    program.cut(4);
    assert!(program.args_truncated() && program.filename_truncated);
    assert_eq!(program.args().collect::<Vec<_>>(), [&b"ab"[..], b"c"]);
}

#[test]
fn a_start_from_proc_is_exact_to_a_tick() {
    for (start, same) in [(199, false), (200, true), (TICK_NS + 199, true), (TICK_NS + 200, false)]
    {
        assert_eq!(is_same_start(start, 200), same, "{start}");
    }
}
