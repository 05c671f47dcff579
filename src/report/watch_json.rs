//! The first and the last line of JSON: what is watched, and what came of it. The fields are a
//! contract: docs/json.md. A program that has read the last line knows that it has all.

use std::io;

use serde::Serialize;

use super::closing_account::ClosingAccount;
use super::filter::{EventName, Filter};
use super::json::{LineTime, write_line};
use super::{Begin, Output, Report};
use crate::process::loss::Loss;

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
            filter: FilterFields::of(&begin.filter),
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
#[derive(Serialize)]
pub struct FilterFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<u32>,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    pid: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    ppid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_duration_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventName>,
}

impl<'a> FilterFields<'a> {
    pub fn of(filter: &'a Filter) -> Self {
        Self {
            user: filter.user,
            pid: &filter.pids,
            ppid: filter.ppid,
            name: filter.name.as_ref().map(|name| name.as_str()),
            cgroup: filter.cgroup.as_deref(),
            container: filter.container.as_deref(),
            failed: filter.failed,
            min_duration_ns: filter
                .min_duration
                .map(|least| u64::try_from(least.as_nanos()).unwrap_or(u64::MAX)),
            event: filter.event,
        }
    }
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
