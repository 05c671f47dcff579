//! A live view on a terminal, without either.

use super::super::*;
use crate::process::event::EventKind;
use crate::process::record::{Common, Program};
use crate::process::wait_status::Outcome;
use crate::process::wall_clock::WallClock;
use crate::report::TimeStyle;
use crate::report::charset::Charset;

pub const SECOND: u64 = 1_000_000_000;

/// A process: pid, parent, name, command line, time on a CPU in one period, memory in KiB.
pub type Row = (u32, u32, &'static str, &'static str, u64, u64);

pub struct Screen {
    pub live: Live,
    pub window: Window,
    pub terminal: vt100::Parser,
    pub time: u64,
}

impl Screen {
    pub fn new(columns: u16, lines: u16) -> Self {
        let time = TimeColumn::new(TimeStyle::Utc, 0);
        Self {
            live: Live::new(View::Processes, time, true, true),
            window: Window { columns: columns.into(), lines: lines.into() },
            terminal: vt100::Parser::new(lines, columns, 0),
            time: SECOND,
        }
    }

    pub fn with<T>(&mut self, give: impl FnOnce(&mut Live, &mut Output<'_>) -> io::Result<T>) -> T {
        let mut bytes = Vec::new();
        let window = Some(self.window);
        let mut out =
            Output { to: &mut bytes, clock: WallClock::default(), window, charset: Charset::Utf8 };
        let given = give(&mut self.live, &mut out).expect("memory");
        self.terminal.process(&bytes);
        given
    }

    /// Periods that are each one second long.
    pub fn periods(&mut self, count: u64, rows: &[Row]) {
        for _ in 0..count {
            self.time += SECOND;
            let time = self.time;
            let commons: Vec<_> = rows
                .iter()
                .map(|row| Common {
                    ppid: row.1,
                    comm: row.2.as_bytes().into(),
                    ..Common::default()
                })
                .collect();
            let programs: Vec<_> = rows
                .iter()
                .map(|row| {
                    let argv = format!("{}\0", row.3.replace(' ', "\0")).into_bytes();
                    let size = argv.len();
                    Program::new(None, argv, size)
                })
                .collect();
            let alive = rows.iter().enumerate().map(|(i, row)| Alive {
                event: Event {
                    kind: EventKind::Exec,
                    time,
                    process: ProcessId { pid: row.0, start_time: i as u64 },
                    exec_id: 1,
                    common: &commons[i],
                    parent: None,
                    program: Some(&programs[i]),
                    forked: false,
                    origin: &commons[i],
                },
                names: Names { user: Some("alice".into()), cgroup: None },
                age_ns: time.saturating_sub(i as u64 * SECOND / 100),
                cpu_ns: Some(row.4 * (time / SECOND)),
                rss_kib: Some(row.5),
            });
            let alive: Vec<_> = alive.collect();
            self.with(|live, out| live.period(out, &alive, time));
        }
    }

    pub fn press(&mut self, keys: &str) -> bool {
        self.with(|live, out| live.typed(out, keys.as_bytes()))
    }

    pub fn resize(&mut self, columns: u16, lines: u16) {
        self.window = Window { columns: columns.into(), lines: lines.into() };
        self.terminal.set_size(lines, columns);
        self.press("");
    }

    pub fn lines(&self) -> Vec<String> {
        let (_, columns) = self.terminal.screen().size();
        self.terminal.screen().rows(0, columns).map(|line| line.trim_end().to_owned()).collect()
    }

    /// The pids in their order.
    pub fn pids(&self) -> Vec<u32> {
        let first =
            |line: &String| line.split_whitespace().next().and_then(|word| word.parse().ok());
        self.lines().iter().skip(3).filter_map(first).collect()
    }

    /// Whether what was drawn bit by bit is what would be drawn at once.
    pub fn assert_whole(&mut self) {
        let before = self.lines();
        self.press("");
        assert_eq!(before, self.lines());
    }
}

pub const MS: u64 = 1_000_000;

pub const ROWS: &[Row] = &[
    (1, 0, "init", "/sbin/init", 0, 12_000),
    (100, 1, "sshd", "sshd: alice", 10 * MS, 9_000),
    (200, 100, "make", "make all", 20 * MS, 3_000),
    (201, 200, "cc1", "cc1 -O2 main.c", 950 * MS, 150_000),
    (202, 200, "cc1", "cc1 -O2 other.c", 900 * MS, 140_000),
    (300, 1, "idle", "idle --for ever", 0, 500),
];

pub fn screen(columns: u16, lines: u16) -> Screen {
    let mut screen = Screen::new(columns, lines);
    screen.periods(2, ROWS);
    screen
}

pub fn start(screen: &mut Screen, common: &Common) {
    let time = screen.time;
    let event = |kind| Event {
        kind,
        time,
        process: ProcessId { pid: 9, start_time: time },
        exec_id: 1,
        common,
        parent: None,
        program: None,
        forked: false,
        origin: common,
    };
    let outcome = Some(Outcome::Exited(0));
    let exit = EventKind::Exit { outcome, duration: Some(SECOND * 3 / 2), usage: None };
    for kind in [EventKind::Exec, exit] {
        screen.with(|live, out| live.event(out, &event(kind), &Names::default()));
    }
}
