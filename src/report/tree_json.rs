//! A tree as JSON Lines, for programs: an object for each process, in the order of their starts,
//! and one for the whole. The fields are a contract: docs/json.md.

use std::io::{self, Write as _};

use super::json::{exit_fields, program_fields};
use super::json_object::{Object, ObjectBuffer, key};
use super::tree_summary::{TreeSummary, duration_of, goes_on, program_name};
use super::{Output, TreeReport, Watched};
use crate::process::tree::{Node, Run, Tree};
use crate::process::wall_clock::WallClock;

const TIME: [&str; 2] = [key!("time"), key!("time_ns")];
const NAME: [&str; 2] = [key!("name"), key!("name_raw")];

/// Prints a tree: all of it, since programs skip what they don't want.
#[derive(Debug, Default)]
pub struct TreeJson;

impl TreeReport for TreeJson {
    fn write(&self, out: &mut Output<'_>, tree: &Tree, watched: &Watched<'_>) -> io::Result<()> {
        let clock = out.clock;
        let mut buffer = ObjectBuffer::default();
        let mut depths = vec![0; tree.nodes.len()];
        for (index, node) in tree.nodes.iter().enumerate() {
            // A parent comes before its children.
            let depth = node.parent.map_or(0, |parent| depths[parent] + 1);
            depths[index] = depth;
            out.write_all(buffer.line(|line| node_fields(line, tree, node, depth, &clock)))?;
        }
        out.write_all(buffer.line(|line| tree_fields(line, tree, watched, &clock)))
    }
}

/// Adds the fields of a process that is `depth` levels below its root.
fn node_fields(line: &mut Object<'_>, tree: &Tree, node: &Node, depth: usize, clock: &WallClock) {
    let start_of = |node: &Node| (node.start() > 0).then(|| clock.utc(node.start()));
    let parent = node.parent.map(|parent| &tree.nodes[parent]);
    line.field(key!("event"), "process");
    line.time(TIME, node.end.map(|end| clock.utc(end)));
    line.field(key!("pid"), node.process.pid);
    line.time([key!("start_time"), key!("start_time_ns")], start_of(node));
    line.field(key!("parent_pid"), parent.map(|parent| parent.process.pid));
    let parent_start = [key!("parent_start_time"), key!("parent_start_time_ns")];
    line.time(parent_start, parent.and_then(start_of));
    line.field(key!("depth"), depth);
    line.field(key!("children"), node.children.len());
    if let Some(run) = node.last_run() {
        run_fields(line, run);
    }
    if node.runs.len() > 1 {
        line.objects(key!("programs"), node.runs.iter(), |entry, run| {
            // That of a process of which only its children told is not known.
            entry.time(TIME, (run.begin > 0).then(|| clock.utc(run.begin)));
            run_fields(entry, run);
        });
    }
    line.field(key!("running"), goes_on(node));
    exit_fields(line, duration_of(tree, node), node.outcome, node.cpu_ns, node.usage);
    line.field(key!("subtree_cpu_ns"), node.subtree_cpu_ns);
}

/// Adds the fields of one program that ran in a process.
fn run_fields(line: &mut Object<'_>, run: &Run) {
    line.text(NAME, Some(program_name(run)));
    line.field(key!("uid"), run.uid);
    line.field(key!("user"), run.user.as_deref());
    program_fields(line, &run.comm, run.program.as_deref());
    line.field(key!("forked"), run.forked);
}

/// Adds the fields of the whole.
fn tree_fields(line: &mut Object<'_>, tree: &Tree, watched: &Watched<'_>, clock: &WallClock) {
    let summary = TreeSummary::of(tree);
    let loss = &watched.account.loss;
    let alone = summary.alone.as_ref();
    line.field(key!("event"), "tree");
    line.time(TIME, Some(clock.utc(tree.end)));
    line.field(key!("wall_ns"), summary.wall_ns());
    line.field(key!("cpu_ns"), summary.cpu_ns);
    line.field(key!("cpus"), watched.cpus);
    line.field(key!("parallelism"), summary.parallelism());
    line.field(key!("processes"), tree.nodes.len());
    line.field(key!("failed"), summary.failed);
    line.field(key!("running"), summary.going_on.len());
    line.field(key!("running_before"), summary.before);
    let alone_since = alone.map(|alone| clock.utc(alone.begin));
    line.time([key!("alone_since"), key!("alone_since_ns")], alone_since);
    line.field(key!("alone_ns"), alone.map(|alone| alone.end - alone.begin));
    let programs = alone.map(|alone| &alone.programs[..]).unwrap_or_default();
    line.objects(key!("alone_programs"), programs.iter().take(MOST), |entry, (name, busy_ns)| {
        entry.text(NAME, Some(name));
        entry.field(key!("busy_ns"), *busy_ns);
    });
    line.objects(key!("programs"), summary.programs.iter().take(MOST), |entry, total| {
        entry.text(NAME, Some(total.name));
        entry.field(key!("count"), total.count);
        entry.field(key!("cpu_ns"), total.cpu_ns);
    });
    line.field(key!("forgotten"), tree.forgotten);
    line.field(key!("dropped_execs"), loss.dropped_execs);
    line.field(key!("dropped_exits"), loss.dropped_exits);
    line.field(key!("missed_execs_at_most"), loss.missed_execs_at_most);
    line.field(key!("missed_exits_at_most"), loss.missed_exits_at_most);
    line.field(key!("dropped_forks"), loss.dropped_forks);
    line.field(key!("missed_forks_at_most"), loss.missed_forks_at_most);
}

/// Users choose the names, and so how many there are: only those with the most time are listed.
const MOST: usize = 100;

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
