use super::*;
use crate::process::event::Names;
use crate::process::record::{Common, ProcessId, Usage};

const SECOND: u64 = 1_000_000_000;

fn common(comm: &str) -> Common {
    Common { comm: comm.as_bytes().into(), ..Common::default() }
}

fn event(common: &Common, time: u64, kind: EventKind) -> Event<'_> {
    Event {
        kind,
        time,
        process: ProcessId { pid: 7, start_time: time },
        exec_id: 0,
        common,
        parent: None,
        program: None,
        forked: false,
        origin: common,
    }
}

fn exit(code: i32, duration: u64, cpu_ns: u64) -> EventKind {
    EventKind::Exit {
        outcome: Some(Outcome::Exited(code)),
        duration: Some(duration),
        usage: Some(Usage { cpu_ns, ..Usage::default() }),
    }
}

#[test]
fn a_period_counts_what_happened_in_it() {
    let mut activity = Activity::default();
    activity.begin(SECOND);
    let (cc, sh) = (common("cc"), common("sh"));
    for _ in 0..4 {
        activity.event(&event(&cc, 2 * SECOND, EventKind::Exec));
    }
    activity.event(&event(&sh, 2 * SECOND, EventKind::Exec));
    activity.event(&event(&cc, 2 * SECOND, exit(0, SECOND, SECOND / 2)));
    activity.event(&event(&cc, 2 * SECOND, exit(1, 3 * SECOND, SECOND / 2)));
    let alive = |common| Alive {
        event: event(common, 3 * SECOND, EventKind::Exec),
        names: Names::default(),
        age_ns: SECOND,
        cpu_ns: Some(0),
        rss_kib: Some(8),
    };
    let alive = [alive(&cc), alive(&cc), alive(&sh)];
    let period = activity.period(&alive, 3 * SECOND);
    assert_eq!((period.running, period.starts, period.failures), (3, 5, 1));
    assert_eq!((period.span_ns, period.a_second(period.starts)), (2 * SECOND, 2.5));
    let row = |period: &Period, comm: &[u8]| {
        let mut rows = period.commands.iter();
        rows.find(|row| row.comm.as_deref() == Some(comm)).cloned().expect("a row")
    };
    let of_cc = row(&period, b"cc");
    assert_eq!((of_cc.running, of_cc.starts, of_cc.failures, of_cc.cpus), (2, 4, 1, 0.5));
    let seconds = |ns: Option<u64>| ns.map(|ns| (ns as f64 / 1e9).round());
    assert_eq!((seconds(of_cc.p50_ns), seconds(of_cc.p99_ns)), (Some(1.0), Some(3.0)));
    assert_eq!(period.commands.len(), 2, "no row of further names");

    // In the next one, only what is known of all is left.
    let period = activity.period(&[], 4 * SECOND);
    let of_cc = row(&period, b"cc");
    assert!(!of_cc.is_active() && !row(&period, b"sh").is_active());
    assert_eq!((period.running, period.starts, seconds(of_cc.p99_ns)), (0, 0, Some(3.0)));
}

#[test]
fn an_exit_counts_for_the_program_whatever_it_called_itself() {
    let mut activity = Activity::default();
    let (started, renamed) = (common("server"), common("worker"));
    let exit = Event { common: &renamed, ..event(&started, SECOND, exit(3, 1, 1)) };
    activity.event(&exit);
    let period = activity.period(&[], SECOND);
    let [row] = &period.commands[..] else { panic!("{period:?}") };
    assert_eq!((row.comm.as_deref(), row.failures), (Some(&b"server"[..]), 1));
}
