//! The first and the last line of JSON: what is watched, and what came of it. The fields are a
//! contract: docs/json.md. A program that has read the last line knows that it has all.

use std::io;

use regex::bytes::Regex;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::closing_account::ClosingAccount;
use super::filter::Filter;
use super::json::{LineTime, write_line};
use super::{Begin, Output, Report};
use crate::process::loss::Loss;
use crate::process::wait_status::signal_name;

/// Prints both, whatever is printed in between.
#[derive(Debug)]
pub struct WatchJson;

impl Report for WatchJson {
    fn begin(&mut self, out: &mut Output<'_>, begin: &Begin) -> io::Result<()> {
        let line = BeginLine {
            event: "begin",
            time: LineTime(out.clock.utc(begin.time)),
            version: env!("CARGO_PKG_VERSION"),
            host_name: &begin.host_name,
            boot_id: begin.boot_id.as_deref(),
            kernel_release: &begin.kernel_release,
            filter: FilterFields(&begin.filter),
        };
        write_line(out, &line)
    }

    fn account(&mut self, out: &mut Output<'_>, account: &ClosingAccount) -> io::Result<()> {
        let line = EndLine {
            event: "end",
            time: LineTime(out.clock.utc(account.end)),
            account: AccountFields::of(account),
        };
        write_line(out, &line)
    }
}

#[derive(Serialize)]
struct BeginLine<'a> {
    event: &'static str,
    #[serde(flatten)]
    time: LineTime,
    version: &'static str,
    host_name: &'a str,
    boot_id: Option<&'a str>,
    kernel_release: &'a str,
    filter: FilterFields<'a>,
}

/// The options that select, under their names. Those that were not given are left out.
pub struct FilterFields<'a>(pub &'a Filter);

impl Serialize for FilterFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(filter) = self;
        let mut fields = serializer.serialize_map(None)?;
        let texts = |names: &[Regex]| names.iter().map(Regex::to_string).collect::<Vec<_>>();
        let codes = filter.exit_codes.iter().map(|codes| match (codes.start(), codes.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        });
        let signals = filter.signals.iter().map(|&signal| signal_name(signal).into_owned());
        some(&mut fields, "user", &filter.users)?;
        some(&mut fields, "pid", &filter.pids)?;
        some(&mut fields, "ppid", &filter.ppids)?;
        some(&mut fields, "name", &texts(&filter.names))?;
        some(&mut fields, "exclude", &texts(&filter.excluded))?;
        some(&mut fields, "cgroup", &filter.cgroups)?;
        some(&mut fields, "container", &filter.containers)?;
        if filter.failed {
            fields.serialize_entry("failed", &true)?;
        }
        some(&mut fields, "exit_code", &codes.collect::<Vec<_>>())?;
        some(&mut fields, "signal", &signals.collect::<Vec<_>>())?;
        if let Some(least) = filter.min_duration {
            let ns = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
            fields.serialize_entry("min_duration_ns", &ns)?;
        }
        if let Some(event) = filter.event {
            fields.serialize_entry("event", &event)?;
        }
        fields.end()
    }
}

fn some<M: SerializeMap>(
    fields: &mut M,
    name: &str,
    values: &[impl Serialize],
) -> Result<(), M::Error> {
    if values.is_empty() { Ok(()) } else { fields.serialize_entry(name, values) }
}

#[derive(Serialize)]
struct EndLine<'a> {
    event: &'static str,
    #[serde(flatten)]
    time: LineTime,
    #[serde(flatten)]
    account: AccountFields<'a>,
}

/// What came of a watch.
#[derive(Serialize)]
pub struct AccountFields<'a> {
    run_time_ns: u64,
    reported_execs: u64,
    reported_exits: u64,
    ended_unseen: u64,
    hidden: u64,
    #[serde(flatten)]
    loss: &'a Loss,
    unwritten: u64,
    running: Vec<u32>,
    fullest: u64,
    capacity: u64,
}

impl<'a> AccountFields<'a> {
    pub fn of(account: &'a ClosingAccount) -> Self {
        let ClosingAccount { reported, running, .. } = account;
        Self {
            run_time_ns: account.end.saturating_sub(account.begin),
            reported_execs: reported.execs,
            reported_exits: reported.exits,
            ended_unseen: reported.lost_exits,
            hidden: account.hidden,
            loss: &account.loss,
            unwritten: account.unwritten,
            running: running.iter().map(|running| running.process.pid).collect(),
            fullest: account.fullest,
            capacity: account.capacity,
        }
    }
}
