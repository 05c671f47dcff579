use super::*;
use crate::process::loss::Loss;
use crate::report::tree_sample::{Sample, build, printed};
use crate::report::word::is_unseen;

fn table(tree: &Tree, columns: Option<usize>) -> String {
    printed(&TreeTable::new(false, false), tree, columns, Loss::default())
}

/// The lines of the tree alone.
fn tree_lines(text: &str) -> Vec<&str> {
    text.lines().skip(1).take_while(|line| !line.is_empty()).collect()
}

fn unfolded(tree: &Tree) -> String {
    printed(&TreeTable::new(false, true), tree, None, Loss::default())
}

#[test]
fn a_build_at_80_columns() {
    let text = table(&build(), Some(80));
    println!("{text}"); // for the eye: --nocapture
    let expected = "
  TIME OWN CPU TREE CPU    MEMORY  RESULT  COMMAND
 8.3 s   40 ms   17.8 s   6.5 MiB  0       make -j4
680 ms   80 ms   176 ms   9.0 MiB  0       ├─ sh ./configure '--p… --disable-nls
9.0 ms  3.0 ms            4.1 MiB  0       │  ├─ uname -m
9.0 ms  3.0 ms            4.1 MiB  0       │  ├─ sed s/x/y/ config.in
9.0 ms  3.0 ms            4.1 MiB  0       │  ├─ cat confdefs.h
261 ms   87 ms            4.1 MiB  0       │  └─ … ×29 more: 8 rm, 7 cat, 7 sed…
 1.1 s  2.0 ms    1.1 s   4.1 MiB  0       ├─ cc -c -O2 -Wall -Iinc… src/file0.c
 1.1 s   1.1 s           72.7 MiB  0       │  ├─ cc1 -quiet -O2 -Wal… /tmp/cc0.s
 39 ms   30 ms            5.8 MiB  0       │  └─ as -o obj/file0.o /tmp/cc0.s
";
    assert!(text.starts_with(&expected[1..]), "{text}");
    let expected = "
 7.1 s   12 ms    7.0 s   4.1 MiB  0       ├─ … ×6 more cc (18 processes)
402 ms  2.0 ms   382 ms   4.1 MiB  1       ├─ cc -c -O2 -W… src/file9.c ← failed
396 ms  380 ms           27.7 MiB  1       │  └─ cc1 -quiet… /tmp/cc9.s ← failed
 4.7 s  8.0 ms    4.8 s   4.1 MiB  0       ├─ … ×4 more cc (12 processes)
 20 ms    0 µs   2.0 ms   4.0 MiB  0       ├─ (fork) make -j4
 2.4 s  2.0 ms                  -  running │  └─ ccache --server --foreground
 2.0 s   2.0 s          129.0 MiB  0       └─ ld -o tool obj/file0.o obj/fi… -lc

FAILED, in the order of their ends
1  pid 237  /usr/libexec/gcc/cc1 -quiet -O2 -Wall src/file9.c -o /tmp/cc9.s
   in: make -j4 > cc -c -O2 -Wall…
1  pid 236  cc -c -O2 -Wall -Iinclude -o obj/file9.o src/file9.c
   in: make -j4

Wall time  8.3 s
CPU time   17.8 s, 2.2 of 4 CPUs on average
Processes  78, 2 failed, 1 still running: ccache (pid 301)
Serial     for 1.0 s at a stretch, from the start: sh 38 %, cc1 29 %, cat 7 %, …
Most CPU    15.2 s     ×14  cc1
             2.0 s      ×1  ld
            390 ms     ×13  as
             80 ms      ×1  sh
             40 ms      ×2  make
";
    assert!(text.ends_with(expected), "{text}");
    assert!(text.lines().all(|line| line.width() <= 80));
}

#[test]
fn without_a_window_nothing_is_cut() {
    let mut sample = Sample::new();
    let long = format!("/bin/sh -c {}", "x".repeat(2_000));
    sample.exec(1, 0, 0, "make");
    sample.exec(2, 1, 10, &long);
    sample.exit(2, 20, 0, 1);
    let tree = sample.finish();
    let text = table(&tree, None);
    assert!(tree_lines(&text)[1].ends_with(&format!(" └─ {long}")), "{text}");
    let text = table(&tree, Some(200));
    assert_eq!(tree_lines(&text)[1].width(), 200);
}

#[test]
fn columns_line_up_whatever_the_numbers() {
    let mut sample = Sample::new();
    sample.exec(1, 0, 0, "make");
    let rtmin = libc::SIGRTMIN() + 15;
    for (pid, ms, status, cpu_ms) in
        [(2, 1, 0, 0), (3, 400_000_000, 0, 16_319), (4, 60_001, rtmin, 36_000_000), (5, 9, 0, 7)]
    {
        sample.exec(pid, 1, 1, if pid == 5 { "日本語 שלום" } else { "cc" });
        sample.exec(pid + 10, pid, 1, "cc1");
        sample.exit(pid, ms, status, cpu_ms);
    }
    let text = table(&sample.finish(), Some(80));
    assert!(text.contains("SIGRTMIN+15") && text.contains("1023.9 MiB"), "{text}");
    assert!(text.contains("4d 15h") && text.contains("10h 00m"), "{text}");
    let header = text.lines().next().expect("a header");
    let result = header.find("RESULT").expect("a column");
    for line in tree_lines(&text) {
        let at = |column: usize| line.chars().nth(column).expect("a character");
        assert!(at(result - 1) == ' ' && at(result) != ' ', "{text}");
        for heading in HEADINGS {
            let end = header.find(heading).map_or(0, |at| at + heading.len());
            assert!(at(end) == ' ' || heading == "RESULT", "{heading}: {text}");
        }
        assert!(line.width() <= 80, "{text}");
    }
}

#[test]
fn failures_stand_out_by_colour_and_by_a_mark() {
    let text = printed(&TreeTable::new(true, false), &build(), None, Loss::default());
    let is_red = |line: &&str| line.starts_with("\x1b[31m");
    let red: Vec<_> = text.lines().filter(is_red).collect();
    assert_eq!(red.len(), 4, "{text}");
    assert!(red[..2].iter().all(|line| line.ends_with("← failed\x1b[0m")), "{text}");
    assert_eq!(text.matches("← failed").count(), 2);
}

#[test]
fn twenty_failures_are_listed_the_first_ones() {
    let mut sample = Sample::new();
    sample.exec(1, 0, 0, "make");
    for pid in 2..32 {
        sample.exec(pid, 1, 10, "cc");
        sample.exit(pid, 100 - u64::from(pid), 9 | 0x80, 1);
    }
    let tree = sample.finish();
    let text = table(&tree, Some(80));
    assert_eq!(tree_lines(&text).len(), 31, "none is folded: {text}");
    let listed: Vec<_> = text.lines().filter(|line| line.contains("  pid ")).collect();
    assert_eq!(listed.len(), 20);
    assert_eq!(listed[0], "SIGKILL (core dumped)  pid 31  cc");
    assert!(text.contains("\n… and 10 more (--all)\n"), "{text}");
    assert_eq!(unfolded(&tree).lines().filter(|line| line.contains("  pid ")).count(), 30);
}

#[test]
fn what_made_all_fail_is_listed_before_what_did_no_harm() {
    let mut sample = Sample::new();
    sample.exec(1, 0, 0, "make");
    sample.exec(2, 1, 1, "configure");
    for pid in 10..50 {
        sample.exec(pid, 2, 10, "conftest");
        sample.exit(pid, 11, 1 << 8, 1);
    }
    sample.exit(2, 20, 0, 1);
    sample.exec(3, 1, 30, "cc");
    sample.exit(3, 31, 1 << 8, 1);
    sample.exit(1, 40, 2 << 8, 1);
    let text = table(&sample.finish(), None);
    let listed: Vec<_> = text.lines().filter(|line| line.contains("  pid ")).collect();
    assert_eq!(listed.len(), 20);
    assert_eq!(listed[17..], ["1  pid 27  conftest", "1  pid 3  cc", "2  pid 1  make"]);
    assert!(text.contains("\n… and 22 more (--all)\n"), "{text}");
}

#[test]
fn what_is_not_known_is_not_claimed() {
    let mut sample = Sample::new();
    sample.exec(2, 1, 10, "cc");
    sample.lose(2, 20);
    let loss = Loss { dropped_exits: 2, ..Loss::default() };
    let mut tree = sample.finish();
    tree.forgotten = 7;
    let text = printed(&TreeTable::new(false, false), &tree, None, loss);
    let lines = tree_lines(&text);
    assert!(lines[0].starts_with("   -       -     0 µs      -  -      ['?']"), "{text}");
    assert!(lines[1].starts_with("   -       -               -  ?      └─ cc"), "{text}");
    assert!(text.contains("\nProcesses  2, 1 running before (not in the CPU time)\n"), "{text}");
    assert!(text.contains("\nNOT WHOLE  7 older processes are not kept\n"), "{text}");
    assert!(text.contains("\nNOT WHOLE  events were lost: dropped 0 execs, 2 exits;"), "{text}");
    assert!(text.ends_with("; use a larger --max-entries\n"), "{text}");
}

#[test]
fn several_roots_stand_side_by_side() {
    let mut sample = Sample::new();
    for pid in [10, 20, 30] {
        sample.exec(pid, 0, u64::from(pid), "daemon");
        sample.exec(pid + 1, pid, u64::from(pid), "child");
    }
    let text = table(&sample.finish(), None);
    let commands: Vec<_> = tree_lines(&text).iter().map(|line| &line[line.len() - 6..]).collect();
    assert_eq!(commands, ["daemon", " child", "daemon", " child", "daemon", " child"]);
    assert!(text.contains("6 still running: daemon (pid 10), child (pid 11), "), "{text}");
}

#[test]
fn nothing_can_be_printed_of_no_process() {
    let text = table(&Tree::default(), Some(80));
    assert!(text.ends_with("\nCPU time   0 µs\nProcesses  0\n"), "{text}");
}

#[test]
fn hostile_texts_stay_in_their_line() {
    let hostile: [&[u8]; 6] = [
        b"\x1b[2J\n\0a\nb\0",
        "\u{202e}cc\0שלום\0\u{200e}".as_bytes(),
        "… ×9 more cc\0".as_bytes(),
        "x ← failed\0".as_bytes(),
        b"\xff\xfe\0",
        b"\0\0",
    ];
    let mut sample = Sample::new();
    sample.exec(1, 0, 0, "make");
    for (pid, argv) in (2..).zip(hostile) {
        sample.exec_bytes(pid, 1, u64::from(pid), argv);
        sample.exec(pid + 10, pid, 20, "false");
        sample.exit(pid + 10, 21, 1 << 8, 1);
        sample.exit(pid, 22, 1 << 8, 100);
    }
    let tree = sample.finish();
    for columns in [Some(80), None] {
        let text = table(&tree, columns);
        assert_eq!(tree_lines(&text).len(), 13, "{text}");
        // Our own marks, which keep the order of a line, come in pairs.
        let own = |line: &str| line.matches('\u{200e}').count();
        assert!(text.lines().all(|line| own(line) % 2 == 0), "{text}");
        let text = text.replace('\u{200e}', "");
        assert!(!text.contains(is_unseen), "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("'… ×9 more cc'") && text.contains("'x ← failed'"), "{text}");
    }
}

#[test]
fn a_deep_chain_keeps_room_for_its_commands() {
    let chain = |length: u32| {
        let mut sample = Sample::new();
        for pid in 1..=length {
            sample.exec(pid, pid - 1, u64::from(pid), "make -C directory all");
        }
        for pid in (1..=length).rev() {
            let status = if pid % 2 == 0 { 1 << 8 } else { 0 };
            sample.exit(pid, 20_000, status, 1);
        }
        sample.finish()
    };
    for length in [2, 9, 30, 10_000] {
        let text = table(&chain(length), Some(80));
        let lines = tree_lines(&text);
        assert_eq!(lines.len(), length as usize);
        assert!(lines.iter().all(|line| line.width() <= 80));
        assert!(lines.iter().all(|line| line.contains("make ")), "{}", lines[lines.len() - 1]);
    }
    let text = unfolded(&chain(10_000));
    assert!(text.len() < 4_000_000, "{}", text.len());
    assert!(text.contains("   in: make -C directo… > … > "));
}

#[test]
fn a_hundred_thousand_processes_are_no_work() {
    let mut sample = Sample::new();
    sample.exec(1, 0, 0, "make");
    for pid in 2..50_002 {
        let ms = u64::from(pid);
        sample.exec(pid, 1, ms, "cc -c a.c");
        sample.exec(pid + 100_000, pid, ms, "cc1 a.c");
        sample.exit(pid + 100_000, ms, 0, 1);
        sample.exit(pid, ms, 0, 1);
    }
    let tree = sample.finish();
    let text = table(&tree, Some(80));
    assert_eq!(tree_lines(&text).len(), 1 + 3 * 2 + 1, "{text}");
    assert!(text.contains("└─ … ×49997 more cc (99994 processes)"), "{text}");
    assert_eq!(tree_lines(&unfolded(&tree)).len(), 100_001);
}
