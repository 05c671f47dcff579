use super::*;
use crate::process::event::Names;
use crate::process::record::Common;

/// Events in short, of processes whose start time is their first time.
#[derive(Debug, Default)]
struct Watch {
    starts: HashMap<u32, u64>,
}

impl Watch {
    fn event(
        &mut self,
        builder: &mut TreeBuilder,
        (pid, started_by): (u32, u32),
        time: u64,
        kind: EventKind,
        argv0: Option<&str>,
    ) {
        let start_time = *self.starts.entry(pid).or_insert(time);
        let comm = argv0.unwrap_or("make").as_bytes().into();
        let common = Common { ppid: 1, started_by, comm, ..Common::default() };
        let program = argv0.map(|name| Program::new(None, name.as_bytes().to_vec(), name.len()));
        let event = Event {
            kind,
            time,
            process: ProcessId { pid, start_time },
            exec_id: 0,
            common: &common,
            parent: None,
            program: program.as_ref(),
            forked: false,
            origin: &common,
        };
        builder.add(&event, &Names::default());
    }

    fn exec(&mut self, builder: &mut TreeBuilder, ids: (u32, u32), time: u64, argv0: &str) {
        self.event(builder, ids, time, EventKind::Exec, Some(argv0));
    }

    fn exit(&mut self, builder: &mut TreeBuilder, ids: (u32, u32), time: u64, cpu_ns: u64) {
        let usage = Some(Usage { cpu_ns, ..Usage::default() });
        let outcome = Some(Outcome::Exited(0));
        let kind = EventKind::Exit { outcome, duration: None, usage };
        self.event(builder, ids, time, kind, None);
        self.starts.remove(&ids.0);
    }
}

/// Each process in short: pid, that of its parent, what ran in it last, nanoseconds on a CPU.
fn short(tree: &Tree) -> Vec<String> {
    let of = |node: &Node| {
        let parent = node.parent.map_or(0, |parent| tree.nodes[parent].process.pid);
        let comm = node.last_run().map(|run| String::from_utf8_lossy(&run.comm).into_owned());
        let forked = if node.last_run().is_some_and(|run| run.forked) { " fork" } else { "" };
        format!(
            "{} {parent} {}{forked} {}/{}",
            node.process.pid,
            comm.unwrap_or_default(),
            node.cpu_ns.map_or("-".into(), |ns| ns.to_string()),
            node.subtree_cpu_ns
        )
    };
    tree.nodes.iter().map(of).collect()
}

#[test]
fn a_process_is_below_the_one_that_started_it() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(true, usize::MAX));
    watch.exec(&mut builder, (10, 0), 100, "make");
    // 11 calls no exec, and is known by what it started, until it ends.
    watch.starts.insert(11, 110);
    watch.exec(&mut builder, (12, 11), 120, "cc");
    watch.exec(&mut builder, (13, 10), 130, "ld");
    watch.exit(&mut builder, (12, 11), 140, 7);
    watch.exit(&mut builder, (11, 10), 150, 1);
    watch.exit(&mut builder, (13, 10), 160, 5);
    watch.exit(&mut builder, (10, 0), 170, 2);
    let tree = builder.finish(90, 200, |_| None);
    assert_eq!(
        short(&tree),
        ["10 0 make 2/15", "11 10 make fork 1/8", "12 11 cc 7/7", "13 10 ld 5/5"]
    );
    assert_eq!(tree.nodes[0].children, [1, 3]);
    assert_eq!(tree.roots().collect::<Vec<_>>(), [0]);
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(true, usize::MAX));
    watch.exec(&mut builder, (10, 0), 100, "make");
    watch.exec(&mut builder, (11, 10), 110, "first");
    watch.starts.insert(12, 115);
    watch.exit(&mut builder, (11, 10), 120, 0);
    watch.exec(&mut builder, (11, 10), 130, "second");
    watch.exec(&mut builder, (12, 11), 140, "of-first");
    watch.exec(&mut builder, (13, 11), 150, "of-second");
    let tree = builder.finish(90, 200, |process| Some(u64::from(process.pid)));
    assert_eq!(
        short(&tree),
        [
            "10 0 make 10/46",
            "11 10 first 0/12",
            "12 11 of-first 12/12",
            "11 10 second 11/24",
            "13 11 of-second 13/13"
        ]
    );
    assert_eq!((tree.nodes[2].parent, tree.nodes[4].parent), (Some(1), Some(3)));
}

#[test]
fn a_process_that_is_only_known_to_run_has_its_parents_program() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(true, usize::MAX));
    watch.exec(&mut builder, (10, 0), 100, "sh");
    watch.exec(&mut builder, (10, 0), 130, "make");
    builder.add_fork(ProcessId { pid: 11, start_time: 120 }, 10);
    builder.add_fork(ProcessId { pid: 12, start_time: 140 }, 11);
    builder.add_fork(ProcessId { pid: 10, start_time: 100 }, 0);
    let tree = builder.finish(90, 200, |_| None);
    assert_eq!(short(&tree), ["10 0 make -/0", "11 10 sh fork -/0", "12 11 sh fork -/0"]);
}

#[test]
fn a_fork_of_one_that_calls_exec_later_runs_what_both_came_from() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(true, usize::MAX));
    watch.exec(&mut builder, (10, 0), 100, "make");
    watch.starts.insert(11, 110);
    watch.starts.insert(12, 120);
    watch.exit(&mut builder, (12, 11), 125, 0);
    watch.exec(&mut builder, (11, 10), 130, "cc");
    let tree = builder.finish(90, 200, |_| None);
    assert_eq!(short(&tree), ["10 0 make -/0", "11 10 cc -/0", "12 11 make fork 0/0"]);
}

#[test]
fn without_following_the_parent_stands_for_the_starter() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(false, usize::MAX));
    watch.exec(&mut builder, (10, 0), 100, "ls");
    watch.starts.insert(1, 50);
    watch.exec(&mut builder, (1, 0), 110, "init");
    let tree = builder.finish(90, 200, |_| None);
    assert_eq!(tree.nodes[1].parent, Some(0), "{:?}", short(&tree));
}

#[test]
fn the_oldest_that_have_ended_are_forgotten() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(true, 100));
    watch.exec(&mut builder, (1, 0), 1, "make");
    for pid in 2..1000 {
        watch.exec(&mut builder, (pid, 1), u64::from(pid) * 10, "cc");
        watch.exit(&mut builder, (pid, 1), u64::from(pid) * 10 + 5, 0);
    }
    let tree = builder.finish(0, 10_000, |_| None);
    assert!((100..=125).contains(&tree.nodes.len()), "{}", tree.nodes.len());
    assert_eq!(tree.forgotten + tree.nodes.len() as u64, 999);
    assert!(tree.nodes[1..].iter().all(|node| node.parent == Some(0)));
    assert_eq!(tree.nodes[0].children.len(), tree.nodes.len() - 1);
}

#[test]
fn who_waits_for_a_child_is_not_busy() {
    let (mut watch, mut builder) = (Watch::default(), TreeBuilder::new(true, usize::MAX));
    watch.exec(&mut builder, (10, 0), 100, "make");
    watch.exec(&mut builder, (11, 10), 110, "cc");
    watch.exec(&mut builder, (12, 10), 120, "cc");
    watch.exit(&mut builder, (12, 10), 130, 0);
    watch.exit(&mut builder, (11, 10), 150, 0);
    watch.exit(&mut builder, (10, 0), 155, 0);
    let tree = builder.finish(90, 200, |_| None);
    let steps = tree.activity();
    let steps: Vec<_> = steps.iter().map(|step| (step.since, step.alive, step.busy)).collect();
    assert_eq!(
        steps,
        [(100, 1, 1), (110, 2, 1), (120, 3, 2), (130, 2, 1), (150, 1, 1), (155, 0, 0)]
    );
    assert_eq!(tree.longest_alone(), Some((130, 155)));
}
