//! `--summary`: the commands that ran, grouped by name, at the end.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::by_name::{ByName, OTHERS};
use super::columns::{BOLD, cut, style};
use super::json::{LineTime, write_line};
use super::units::{format_duration, format_memory};
use super::word::Word;
use super::{Output, Report};
use crate::process::event::{Event, EventKind, Names};
use crate::process::wait_status::Outcome;

/// Behind a name of Hebrew or Arabic letters, a terminal may show numbers from right to left:
/// FAILED in the place of COUNT. This mark, which nobody sees, ends that.
const LEFT_TO_RIGHT: char = '\u{200e}';

/// What the processes of one name have come to, from their exits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Total {
    count: u64,
    /// Those that did not exit with code 0, as far as the result is known.
    failures: u64,
    /// Nanoseconds.
    total_duration: u64,
    longest_duration: u64,
    cpu_ns: u64,
    /// The largest that is known.
    max_rss_kib: Option<u64>,
}

/// Prints the totals of each command.
#[derive(Debug)]
pub struct CommandTotals {
    as_json: bool,
    colour: bool,
    totals: ByName<Total>,
}

impl CommandTotals {
    pub fn new(as_json: bool, colour: bool) -> Self {
        Self { as_json, colour, totals: ByName::default() }
    }

    /// Counts an exit; an exec does not count.
    fn add(&mut self, event: &Event<'_>) {
        let EventKind::Exit { outcome, duration, usage } = event.kind else { return };
        let total = self.totals.of(&event.common.comm);
        total.count += 1;
        total.failures += u64::from(outcome.is_some_and(|end| end != Outcome::Exited(0)));
        total.total_duration += duration.unwrap_or(0);
        total.longest_duration = total.longest_duration.max(duration.unwrap_or(0));
        if let Some(usage) = usage {
            total.cpu_ns += usage.cpu_ns;
            total.max_rss_kib = total.max_rss_kib.max(usage.max_rss_kib);
        }
    }

    /// The commands, that with the longest total duration first. The last one has no name: all
    /// others, if there are any.
    fn sorted(&self) -> Vec<(Option<&[u8]>, &Total)> {
        let totals = self.totals.iter().filter(|(_, total)| total.count > 0);
        let mut totals: Vec<_> =
            totals.map(|(comm, total)| (comm.map(|it| &**it), total)).collect();
        totals.sort_by(|(comm_a, a), (comm_b, b)| {
            let by_time = b.total_duration.cmp(&a.total_duration);
            comm_a.is_none().cmp(&comm_b.is_none()).then(by_time).then_with(|| comm_a.cmp(comm_b))
        });
        totals
    }

    /// In at most 80 columns.
    fn write_table(&self, out: &mut Output<'_>) -> io::Result<()> {
        let bold = style(BOLD, self.colour);
        writeln!(
            out,
            "\n{bold}{:<24} {:>7} {:>7} {:>8} {:>8} {:>8} {:>9}{bold:#}",
            "COMMAND", "COUNT", "FAILED", "TOTAL", "LONGEST", "CPU", "MEMORY"
        )?;
        for (comm, total) in self.sorted() {
            let mut name = comm.map_or_else(
                || OTHERS.into(),
                |comm| Word::new(comm).in_charset(out.charset).to_string(),
            );
            cut(&mut name, 24);
            let pad = 24_usize.saturating_sub(name.width());
            if !name.is_ascii() {
                name.push(LEFT_TO_RIGHT);
            }
            writeln!(
                out,
                "{name}{:pad$} {:>7} {:>7} {:>8} {:>8} {:>8} {:>9}",
                "",
                total.count,
                total.failures,
                format_duration(total.total_duration),
                format_duration(total.longest_duration),
                format_duration(total.cpu_ns),
                total.max_rss_kib.map_or("-".into(), format_memory),
            )?;
        }
        Ok(())
    }

    /// One object each.
    fn write_json(&self, out: &mut Output<'_>, time: u64) -> io::Result<()> {
        for (comm, total) in self.sorted() {
            let line = TotalLine {
                event: "command",
                time: LineTime(out.clock.utc(time)),
                comm: comm.map(String::from_utf8_lossy),
                count: total.count,
                failures: total.failures,
                total_duration_ns: total.total_duration,
                longest_duration_ns: total.longest_duration,
                cpu_ns: total.cpu_ns,
                max_rss_kib: total.max_rss_kib,
            };
            write_line(out, &line)?;
        }
        Ok(())
    }
}

impl Report for CommandTotals {
    fn event(&mut self, _: &mut Output<'_>, event: &Event<'_>, _: &Names) -> io::Result<bool> {
        self.add(event);
        Ok(false)
    }

    fn end(&mut self, out: &mut Output<'_>, time: u64) -> io::Result<()> {
        if self.as_json { self.write_json(out, time) } else { self.write_table(out) }
    }
}

#[derive(Serialize)]
struct TotalLine<'a> {
    event: &'static str,
    #[serde(flatten)]
    time: LineTime,
    /// `None`: all others.
    comm: Option<Cow<'a, str>>,
    count: u64,
    failures: u64,
    total_duration_ns: u64,
    longest_duration_ns: u64,
    cpu_ns: u64,
    max_rss_kib: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::super::by_name::MOST_NAMES;
    use super::*;
    use crate::process::record::{Common, ProcessId, Usage};
    use crate::process::wall_clock::WallClock;
    use crate::report::charset::Charset;

    fn exit(totals: &mut CommandTotals, comm: &[u8], status: i32, duration: u64, usage: Usage) {
        let common = Common { comm: comm.into(), ..Common::default() };
        totals.add(&Event {
            kind: EventKind::Exit {
                outcome: Some(Outcome::from_wait_status(status)),
                duration: Some(duration),
                usage: Some(usage),
            },
            time: 0,
            process: ProcessId { pid: 1, start_time: 0 },
            exec_id: 0,
            common: &common,
            parent: None,
            program: None,
            forked: false,
            origin: &common,
        });
    }

    #[test]
    fn commands_are_summed_by_name_and_sorted_by_time() {
        let mut totals = CommandTotals::new(false, false);
        let usage = |cpu_ns, max_rss_kib| Usage {
            cpu_ns,
            max_rss_kib: Some(max_rss_kib),
            ..Usage::default()
        };
        exit(&mut totals, b"cc", 0, 10, usage(5, 100));
        exit(&mut totals, b"sh", 0, 40, usage(1, 10));
        exit(&mut totals, b"cc", 1 << 8, 20, usage(6, 80));
        let [(first, _), (second, total)] = totals.sorted()[..] else { panic!("{totals:?}") };
        assert_eq!((first, second), (Some(&b"sh"[..]), Some(&b"cc"[..])));
        assert_eq!(
            *total,
            Total {
                count: 2,
                failures: 1,
                total_duration: 30,
                longest_duration: 20,
                cpu_ns: 11,
                max_rss_kib: Some(100),
            }
        );
    }

    fn printed(totals: &mut CommandTotals) -> String {
        let mut bytes = Vec::new();
        let mut out = Output {
            to: &mut bytes,
            clock: WallClock::default(),
            window: None,
            charset: Charset::Utf8,
        };
        totals.end(&mut out, 0).expect("memory");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn names_beyond_a_number_are_counted_together() {
        for as_json in [false, true] {
            let mut totals = CommandTotals::new(as_json, false);
            let mut exit = |comm: &str| {
                exit(&mut totals, comm.as_bytes(), 1 << 8, 10, Usage::default());
            };
            exit("(others)");
            for i in 0..100_000 {
                exit(&i.to_string());
            }
            exit("0");
            exit("99999");
            exit("(others)");
            assert_eq!(totals.sorted().len(), MOST_NAMES + 1);

            let text = printed(&mut totals);
            let last = text.lines().last().expect("a line");
            let others = 1 + 100_000 + 3 - (MOST_NAMES + 2);
            if as_json {
                let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
                assert_eq!(last["comm"], serde_json::Value::Null);
                assert_eq!((&last["count"], &last["failures"]), (&others.into(), &others.into()));
                assert!(text.contains(r#""comm":"(others)","count":2,"#));
            } else {
                let row = |name: &str, count| format!("\n{name:<24} {count:>7} {count:>7} ");
                assert!(text.contains(&row("(others)", others)), "{last}");
                assert!(text.contains(&row("'(others)'", 2)), "a name does not look like it");
                assert!(text.contains(&row("0", 2)), "who came before goes on");
            }
        }
    }

    #[test]
    fn a_name_from_right_to_left_leaves_the_numbers_in_their_order() {
        let mut totals = CommandTotals::new(false, false);
        exit(&mut totals, "שלום".as_bytes(), 1 << 8, 10, Usage::default());
        exit(&mut totals, b"plain", 0, 5, Usage::default());
        let mut bytes = Vec::new();
        let mut out = Output {
            to: &mut bytes,
            clock: WallClock::default(),
            window: None,
            charset: Charset::Utf8,
        };
        totals.end(&mut out, 0).expect("memory");
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.contains("שלום\u{200e}    "), "{text}");
        assert!(text.contains("\nplain     "), "{text}");
    }

    #[test]
    fn the_table_fits_80_columns() {
        let mut totals = CommandTotals::new(false, false);
        let total = Total {
            count: 9_999_999,
            failures: 9_999_999,
            total_duration: 359_999_999_999_999,
            longest_duration: 59_999_999_999,
            cpu_ns: 999_999_999,
            max_rss_kib: Some(1_048_575),
        };
        *totals.totals.of(&[b'x'; 15].into()) = total;
        let text = printed(&mut totals);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(lines[2].ends_with("1023.9 MiB"), "{text}");
    }
}
