use super::*;
use crate::process::event::Names;
use crate::process::record::{Common, Usage};
use crate::process::wait_status::Outcome;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn event(common: &Common, pid: u32, time: u64, kind: EventKind) -> Event<'_> {
    Event {
        kind,
        time,
        process: ProcessId { pid, start_time: 0 },
        exec_id: 0,
        common,
        parent: None,
        program: None,
        forked: false,
        origin: common,
    }
}

/// A period of processes that were started at 0, each with the nanoseconds on a CPU that it is
/// found to have if it is looked at. Tells which ones were.
fn period(usages: &mut Usages, cpu_ns: &[u64], time: u64) -> Vec<bool> {
    let common = Common::default();
    let look = |(pid, &cpu_ns): (usize, &u64)| {
        let event = event(&common, pid as u32, time, EventKind::Exec);
        let cpu_ns = usages.wants(event.process).then_some(cpu_ns);
        let rss_kib = cpu_ns.map(|_| 8);
        Alive { event, names: Names::default(), age_ns: time, cpu_ns, rss_kib }
    };
    let alive: Vec<_> = cpu_ns.iter().enumerate().map(look).collect();
    usages.take(&alive, time);
    alive.iter().map(|alive| alive.cpu_ns.is_some()).collect()
}

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start_time: 0 }
}

#[test]
fn a_share_is_what_was_used_since_the_last_look() {
    let mut usages = Usages::default();
    period(&mut usages, &[5 * SECOND, 0], SECOND);
    assert_eq!(usages.share(id(0)), None, "of what came before, nothing is known");
    period(&mut usages, &[5 * SECOND + 250 * MS, 0], 2 * SECOND);
    assert_eq!((usages.share(id(0)), usages.share(id(1))), (Some(0.25), Some(0.0)));
    assert_eq!((usages.rss_kib(id(0)), usages.rss_kib(id(2))), (Some(8), None));
    // One that has ended is forgotten.
    period(&mut usages, &[5 * SECOND + 250 * MS], 4 * SECOND);
    assert_eq!((usages.share(id(0)), usages.share(id(1))), (Some(0.0), None));
}

/// At the end of a watch, the last period is as short as it comes.
#[test]
fn the_last_share_holds_where_a_period_is_short() {
    let mut usages = Usages::default();
    period(&mut usages, &[0], SECOND);
    period(&mut usages, &[SECOND], 2 * SECOND);
    period(&mut usages, &[SECOND + 30 * MS], 2 * SECOND + 10 * MS);
    assert_eq!(usages.share(id(0)), Some(1.0), "and not 3");
    period(&mut usages, &[SECOND + 250 * MS], 2 * SECOND + 500 * MS);
    assert_eq!(usages.share(id(0)), Some(0.5), "since the look of which the last one was made");
}

#[test]
fn of_one_that_was_started_since_all_of_its_life_counts() {
    let mut usages = Usages::default();
    period(&mut usages, &[], 0);
    period(&mut usages, &[SECOND / 2], SECOND);
    assert_eq!(usages.share(id(0)), Some(0.5));
}

#[test]
fn few_are_all_looked_at_and_of_many_each_has_its_turn() {
    let mut usages = Usages::default();
    for i in 1..4 {
        assert_eq!(period(&mut usages, &[0; 200], i * SECOND), [true; 200]);
    }
    let mut usages = Usages::default();
    let idle = vec![0; 2000];
    // Nothing is known at first, so that all may be looked at.
    period(&mut usages, &idle, SECOND);
    let mut looks = vec![0; 2000];
    for i in 2..102 {
        let looked = period(&mut usages, &idle, i * SECOND);
        looks.iter_mut().zip(&looked).for_each(|(looks, &looked)| *looks += u32::from(looked));
        let count = looked.iter().filter(|&&looked| looked).count();
        assert!(count <= A_TURN * 2 + MOST_BUSY, "{count} in one period");
    }
    let (least, most) = (looks.iter().min(), looks.iter().max());
    assert!(least >= Some(&10), "each tenth period at least: {least:?} to {most:?}");
}

#[test]
fn what_is_busy_or_on_the_screen_is_looked_at_each_time() {
    let mut usages = Usages::default();
    let mut cpu_ns = vec![0; 3000];
    for i in 1..40 {
        cpu_ns[1234] = i * SECOND / 2;
        period(&mut usages, &cpu_ns, i * SECOND);
    }
    assert_eq!(usages.share(id(1234)), Some(0.5));
    usages.show([id(77), id(78)].into_iter());
    for i in 40..60 {
        cpu_ns[1234] = i * SECOND / 2;
        let looked = period(&mut usages, &cpu_ns, i * SECOND);
        assert!(looked[77] && looked[78] && looked[1234]);
    }
}

#[test]
fn however_many_are_busy_the_work_is_bounded() {
    let mut usages = Usages::default();
    for i in 1..60 {
        let cpu_ns = vec![i * SECOND / 100; 5000];
        let looked = period(&mut usages, &cpu_ns, i * SECOND);
        let count = looked.iter().filter(|&&looked| looked).count();
        assert!(i == 1 || count <= MOST_BUSY + 2 * A_TURN, "{count} in period {i}");
    }
}

#[test]
fn an_exit_adds_what_no_look_has_seen() {
    let mut usages = Usages::default();
    period(&mut usages, &[3 * SECOND], 10 * SECOND);
    let common = Common::default();
    let exit = |cpu_ns, time| {
        let usage = Some(Usage { cpu_ns, ..Usage::default() });
        let outcome = Some(Outcome::Exited(0));
        event(&common, 0, time, EventKind::Exit { outcome, duration: None, usage })
    };
    let seen = usages.unseen_ns(&exit(3 * SECOND + 100 * MS, 10 * SECOND + 200 * MS));
    assert_eq!(seen, 100e6);
    // Of one that no look has seen, the part of its life that was in this period.
    let unseen = Usages { last: 10 * SECOND, ..Usages::default() };
    assert_eq!(unseen.unseen_ns(&exit(8 * SECOND, 16 * SECOND)), 3e9);
}
