//! A tree as JSON Lines, for programs: an object for each process, in the order of their starts,
//! and one for the whole. The fields are a contract: docs/json.md.

use std::io::{self, Write as _};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::json::{exit_fields, program_fields, text_fields, time_fields, write_line};
use super::tree_summary::{ProgramTotal, TreeSummary, duration_of, goes_on, program_name};
use super::{Output, TreeReport, Watched};
use crate::process::tree::{Node, Run, Tree};
use crate::process::wall_clock::WallClock;

const TIME: [&str; 2] = ["time", "time_ns"];

/// Prints a tree: all of it, since programs skip what they don't want.
#[derive(Debug, Default)]
pub struct TreeJson;

impl TreeReport for TreeJson {
    fn write(&self, out: &mut Output<'_>, tree: &Tree, watched: &Watched<'_>) -> io::Result<()> {
        let clock = out.clock;
        let mut line = Vec::new();
        let mut depths = vec![0; tree.nodes.len()];
        for (index, node) in tree.nodes.iter().enumerate() {
            // A parent comes before its children.
            let depth = node.parent.map_or(0, |parent| depths[parent] + 1);
            depths[index] = depth;
            line.clear();
            write_line(&mut line, &ProcessLine { tree, node, depth, clock: &clock })?;
            out.write_all(&line)?;
        }
        let summary = TreeSummary::of(tree);
        write_line(out, &TreeLine { tree, summary: &summary, watched, clock: &clock })
    }
}

struct ProcessLine<'a> {
    tree: &'a Tree,
    node: &'a Node,
    /// Levels below its root.
    depth: usize,
    clock: &'a WallClock,
}

impl Serialize for ProcessLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { tree, node, depth, clock } = *self;
        let mut line = serializer.serialize_map(None)?;
        let start_of = |node: &Node| (node.start() > 0).then(|| clock.utc(node.start()));
        let parent = node.parent.map(|parent| &tree.nodes[parent]);
        line.serialize_entry("event", "process")?;
        time_fields(&mut line, TIME, node.end.map(|end| clock.utc(end)))?;
        line.serialize_entry("pid", &node.process.pid)?;
        time_fields(&mut line, ["start_time", "start_time_ns"], start_of(node))?;
        line.serialize_entry("parent_pid", &parent.map(|parent| parent.process.pid))?;
        let parent_start = ["parent_start_time", "parent_start_time_ns"];
        time_fields(&mut line, parent_start, parent.and_then(start_of))?;
        line.serialize_entry("depth", &depth)?;
        line.serialize_entry("children", &node.children.len())?;
        if let Some(run) = node.last_run() {
            run_fields(&mut line, run)?;
        }
        if node.runs.len() > 1 {
            let programs = node.runs.iter().map(|run| RunEntry { run, clock });
            line.serialize_entry("programs", &programs.collect::<Vec<_>>())?;
        }
        line.serialize_entry("running", &goes_on(node))?;
        let duration = duration_of(tree, node);
        exit_fields(&mut line, duration, node.outcome, node.cpu_ns, node.usage)?;
        line.serialize_entry("subtree_cpu_ns", &node.subtree_cpu_ns)?;
        line.end()
    }
}

/// Adds the fields of one program that ran in a process.
fn run_fields<M: serde::ser::SerializeMap>(line: &mut M, run: &Run) -> Result<(), M::Error> {
    text_fields(line, ["name", "name_raw"], Some(program_name(run)))?;
    line.serialize_entry("uid", &run.uid)?;
    line.serialize_entry("user", &run.user.as_deref())?;
    program_fields(line, &run.comm, run.program.as_deref())?;
    line.serialize_entry("forked", &run.forked)
}

struct RunEntry<'a> {
    run: &'a Run,
    clock: &'a WallClock,
}

impl Serialize for RunEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        // That of a process of which only its children told is not known.
        let begin = (self.run.begin > 0).then(|| self.clock.utc(self.run.begin));
        time_fields(&mut entry, TIME, begin)?;
        run_fields(&mut entry, self.run)?;
        entry.end()
    }
}

struct TreeLine<'a> {
    tree: &'a Tree,
    summary: &'a TreeSummary<'a>,
    watched: &'a Watched<'a>,
    clock: &'a WallClock,
}

impl Serialize for TreeLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { tree, summary, watched, clock } = *self;
        let loss = &watched.account.loss;
        let alone = summary.alone.as_ref();
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("event", "tree")?;
        time_fields(&mut line, TIME, Some(clock.utc(tree.end)))?;
        line.serialize_entry("wall_ns", &summary.wall_ns())?;
        line.serialize_entry("cpu_ns", &summary.cpu_ns)?;
        line.serialize_entry("cpus", &watched.cpus)?;
        line.serialize_entry("parallelism", &summary.parallelism())?;
        line.serialize_entry("processes", &tree.nodes.len())?;
        line.serialize_entry("failed", &summary.failed)?;
        line.serialize_entry("running", &summary.going_on.len())?;
        line.serialize_entry("running_before", &summary.before)?;
        let alone_since = alone.map(|alone| clock.utc(alone.begin));
        time_fields(&mut line, ["alone_since", "alone_since_ns"], alone_since)?;
        line.serialize_entry("alone_ns", &alone.map(|alone| alone.end - alone.begin))?;
        let programs = alone.map(|alone| &alone.programs[..]).unwrap_or_default();
        let programs: Vec<_> = programs.iter().take(MOST).map(AloneEntry).collect();
        line.serialize_entry("alone_programs", &programs)?;
        let programs: Vec<_> = summary.programs.iter().take(MOST).map(TotalEntry).collect();
        line.serialize_entry("programs", &programs)?;
        line.serialize_entry("forgotten", &tree.forgotten)?;
        line.serialize_entry("dropped_execs", &loss.dropped_execs)?;
        line.serialize_entry("dropped_exits", &loss.dropped_exits)?;
        line.serialize_entry("missed_execs_at_most", &loss.missed_execs_at_most)?;
        line.serialize_entry("missed_exits_at_most", &loss.missed_exits_at_most)?;
        line.serialize_entry("dropped_forks", &loss.dropped_forks)?;
        line.serialize_entry("missed_forks_at_most", &loss.missed_forks_at_most)?;
        line.end()
    }
}

/// Users choose the names, and so how many there are: only those with the most time are listed.
const MOST: usize = 100;

struct AloneEntry<'a>(&'a (&'a [u8], u64));

impl Serialize for AloneEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        text_fields(&mut entry, ["name", "name_raw"], Some(self.0.0))?;
        entry.serialize_entry("busy_ns", &self.0.1)?;
        entry.end()
    }
}

struct TotalEntry<'a>(&'a ProgramTotal<'a>);

impl Serialize for TotalEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ProgramTotal { name, count, cpu_ns } = self.0;
        let mut entry = serializer.serialize_map(None)?;
        text_fields(&mut entry, ["name", "name_raw"], Some(name))?;
        entry.serialize_entry("count", count)?;
        entry.serialize_entry("cpu_ns", cpu_ns)?;
        entry.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::process::loss::Loss;
    use crate::report::tree_sample::{Sample, build, printed};

    fn objects(tree: &Tree) -> Vec<Value> {
        let loss = Loss { dropped_execs: 3, ..Loss::default() };
        let text = printed(&TreeJson, tree, None, loss);
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn each_process_has_its_object_and_the_whole_has_one() {
        let tree = build();
        let objects = objects(&tree);
        let (whole, processes) = objects.split_last().expect("objects");
        assert_eq!(processes.len(), tree.nodes.len());
        assert!(processes.iter().all(|process| process["event"] == "process"));
        assert!(processes.is_sorted_by_key(|process| process["start_time"].to_string()));
        assert_eq!((&whole["event"], &whole["dropped_execs"]), (&json!("tree"), &json!(3)));
        assert_eq!(whole["processes"], tree.nodes.len());
        assert_eq!(whole["cpu_ns"], processes[0]["subtree_cpu_ns"]);
        assert_eq!(whole["programs"][0]["name"], "cc1");
        assert_eq!((&whole["failed"], &whole["running"]), (&json!(2), &json!(1)));

        let root = &processes[0];
        assert_eq!((&root["parent_pid"], &root["depth"]), (&Value::Null, &json!(0)));
        let named = |name: &str| {
            processes.iter().find(|process| process["name"] == name).expect("a process")
        };
        let shell = named("sh");
        assert_eq!(shell["parent_start_time"], root["start_time"]);
        let programs: Vec<_> =
            shell["programs"].as_array().expect("two").iter().map(|run| &run["args"][1]).collect();
        assert_eq!(programs, ["-c", "./configure"]);
        assert_eq!((&shell["args"][0], &shell["user"]), (&json!("/bin/sh"), &json!("alice")));
        assert!(named("cc1").get("programs").is_none());
        let server = named("ccache");
        assert_eq!((&server["time"], &server["exit_code"]), (&Value::Null, &Value::Null));
        assert_eq!((&server["running"], &server["cpu_ns"]), (&json!(true), &json!(2_000_000)));
    }

    #[test]
    fn the_fields_are_those_of_the_contract() {
        let mut sample = Sample::new();
        sample.exec(1, 0, 0, "sleep 1");
        sample.exit(1, 1_000, 11 | 0x80, 2);
        let text = printed(&TreeJson, &sample.finish(), None, Loss::default());
        let (process, whole) = text.split_once('\n').expect("two lines");
        assert_eq!(
            process,
            r#"{"event":"process","time":"1970-01-01T00:00:06.000000000Z","time_ns":6000000000,"pid":1,"start_time":"1970-01-01T00:00:05.000000000Z","start_time_ns":5000000000,"parent_pid":null,"parent_start_time":null,"parent_start_time_ns":null,"depth":0,"children":0,"name":"sleep","uid":1000,"user":"alice","comm":"sleep","filename":null,"filename_truncated":false,"args":["sleep","1"],"args_truncated":false,"forked":false,"running":false,"duration_ns":1000000000,"exit_code":null,"signal":"SIGSEGV","core_dumped":true,"cpu_ns":2000000,"max_rss_kib":4224,"major_faults":0,"read_bytes":null,"write_bytes":null,"subtree_cpu_ns":2000000}"#
        );
        assert_eq!(
            whole,
            concat!(
                r#"{"event":"tree","time":"1970-01-01T00:00:06.000000000Z","time_ns":6000000000,"wall_ns":1000000000,"cpu_ns":2000000,"cpus":4,"parallelism":0.002,"processes":1,"failed":1,"running":0,"running_before":0,"alone_since":"1970-01-01T00:00:05.000000000Z","alone_since_ns":5000000000,"alone_ns":1000000000,"alone_programs":[{"name":"sleep","busy_ns":1000000000}],"programs":[{"name":"sleep","count":1,"cpu_ns":2000000}],"forgotten":0,"dropped_execs":0,"dropped_exits":0,"missed_execs_at_most":0,"missed_exits_at_most":0,"dropped_forks":0,"missed_forks_at_most":0}"#,
                "\n"
            )
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let mut sample = Sample::new();
        sample.exec_bytes(1, 0, 0, b"/bin/\xffx\0a\xfeb\0\x1b\0");
        sample.exit(1, 1_000, 0, 2);
        let [process, whole] = &objects(&sample.finish())[..] else { panic!("two objects") };
        assert_eq!(process["name_raw"], "/3g=");
        assert_eq!(process["args_raw"][1], "Yf5i");
        assert_eq!(process["args"][2], "\x1b");
        assert_eq!(whole["programs"][0]["name_raw"], "/3g=");
    }
}
