//! A log in several files, as logrotate leaves it, and the storm that is in it.

use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use super::processes::Running;

/// The objects of all files, the oldest first.
pub struct Rotated(Vec<Value>);

/// Ends a `log-storm` of the actor, and tells which processes it has started.
pub fn storm_pids(storm: &mut Running) -> Vec<u64> {
    drop(storm.child.stdin.take());
    let mut printed = String::new();
    let mut stdout = storm.child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut printed).expect("text");
    let status = storm.child.wait().expect("it is ours");
    assert!(status.success(), "the storm: {status}");
    let pid = |line: &str| line.split(' ').next()?.parse().ok();
    printed.lines().skip(1).map(|line| pid(line).expect(line)).collect()
}

impl Rotated {
    /// Each file is whole lines of JSON.
    #[track_caller]
    pub fn read(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let read = |path: PathBuf| fs::read_to_string(&path).expect("text");
        Self::of_texts(files.into_iter().map(read))
    }

    #[track_caller]
    pub fn of_texts(texts: impl IntoIterator<Item = String>) -> Self {
        let mut objects = Vec::new();
        for text in texts {
            assert!(text.is_empty() || text.ends_with('\n'), "a part of a line at the end");
            let parsed =
                |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
            objects.extend(text.lines().map(parsed));
        }
        Self(objects)
    }

    pub fn first(&self) -> &Value {
        self.0.first().expect("a line")
    }

    pub fn last(&self) -> &Value {
        self.0.last().expect("a line")
    }

    /// The execs and exits.
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(|it| it["event"] == "exec" || it["event"] == "exit")
    }

    /// All that the program has printed is there, once, in order; and each of the processes that a
    /// storm has started, but for so many that the kernel may skip.
    #[track_caller]
    pub fn assert_whole(&self, parent: u32, pids: &[u64], may_be_missed: usize) {
        let (first, last) = (self.first(), self.last());
        assert_eq!((first["event"].as_str(), last["event"].as_str()), (Some("begin"), Some("end")));
        for (event, reported) in [("exec", "reported_execs"), ("exit", "reported_exits")] {
            let all: Vec<_> = self.0.iter().filter(|it| it["event"] == event).collect();
            let unseen = if event == "exit" { last["ended_unseen"].as_u64() } else { Some(0) };
            let reported = last[reported].as_u64().zip(unseen).map(|(some, unseen)| some + unseen);
            assert_eq!(Some(all.len() as u64), reported, "{event}s: {last}");
            let key = |it: &&Value| ["pid", "start_time", "exec_id"].map(|key| it[key].to_string());
            assert_eq!(all.iter().map(key).collect::<HashSet<_>>().len(), all.len(), "twice");

            let of_storm = all.iter().filter(|it| it["ppid"] == parent);
            let mut told: Vec<_> = of_storm.filter_map(|it| it["pid"].as_u64()).collect();
            let mut pids = pids.to_vec();
            told.sort_unstable();
            pids.sort_unstable();
            assert!(!pids.is_empty() && told.len() <= pids.len(), "{} {event}s", told.len());
            if may_be_missed == 0 {
                assert!(told == pids, "{} of {} {event}s are there", told.len(), pids.len());
            }
            let missing = pids.len() - told.len();
            assert!(missing <= may_be_missed, "{missing} {event}s are missing");
        }
        for dropped in ["dropped_execs", "dropped_exits", "unwritten"] {
            assert_eq!(last[dropped], 0, "{last}");
        }
        let times: Vec<_> = self.events().filter_map(|it| it["time_ns"].as_u64()).collect();
        assert!(times.is_sorted(), "events are not in time order");
    }
}
