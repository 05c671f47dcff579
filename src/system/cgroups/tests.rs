use std::os::unix::fs::DirBuilderExt as _;
use std::process::id;

use super::*;

/// No process has this pid.
const NO_PID: u32 = u32::MAX;

/// A folder tree that stands in for the cgroups.
struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// Folders of the first level with these names.
    fn of(names: impl IntoIterator<Item = String>) -> Self {
        // In memory, where there is such a folder: a disk takes its time for thousands.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let tree = Self { dir: dir.expect("a folder") };
        for name in names {
            tree.add(&name);
        }
        tree
    }

    fn cgroups(&self) -> Cgroups {
        Cgroups::below(Some(self.dir.path().into()))
    }

    fn add(&self, path: &str) -> u64 {
        let folder = self.dir.path().join(path);
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder).expect("ours");
        id_of(&folder).expect("it is there")
    }
}

fn numbered(folders: usize) -> impl Iterator<Item = String> {
    (0..folders).map(|i| format!("cgroup-{i}"))
}

/// Asks once a read until the answer is final, and tells the answer and how many reads it took.
fn reads_for(cgroups: &mut Cgroups, id: u64) -> (Option<Rc<str>>, usize) {
    for read in 1.. {
        let path = cgroups.path(id, NO_PID);
        if !cgroups.is_asked_for(id) {
            return (path, read);
        }
        assert_eq!((path, cgroups.steps), (None, 0));
        cgroups.renew();
    }
    unreachable!()
}

#[test]
fn a_small_tree_has_every_answer_at_once() {
    let tree = Tree::of(numbered(50));
    let (inner, root) = (tree.add("a.slice/b.scope"), tree.add(""));
    let mut cgroups = tree.cgroups();
    assert_eq!(cgroups.path(inner, NO_PID).as_deref(), Some("/a.slice/b.scope"));
    assert_eq!(cgroups.path(root, NO_PID).as_deref(), Some("/"));
    let (gone, new) = (u64::MAX, tree.add("new/er"));
    assert_eq!(cgroups.path(gone, NO_PID), None);
    assert_eq!(cgroups.path(new, NO_PID).as_deref(), Some("/new/er"));
    assert!(!cgroups.is_asked_for(gone) && !cgroups.is_asked_for(new));

    let steps = cgroups.steps;
    for id in [inner, root, gone, new] {
        cgroups.path(id, NO_PID);
    }
    assert_eq!(cgroups.steps, steps, "what is known costs nothing");
    assert_eq!(cgroups.path(0, NO_PID), None);
    assert_eq!(cgroups.steps, steps, "0 is no cgroup");
}

#[test]
fn a_large_tree_takes_several_reads_and_each_a_bounded_part() {
    let tree = Tree::of(numbered(3 * STEPS));
    let gone = u64::MAX;
    let (answer, reads) = reads_for(&mut tree.cgroups(), gone);
    assert_eq!(answer, None);
    assert!((3..=5).contains(&reads), "{reads} reads");
    // One that is there is found on the way: on average halfway.
    let ids: Vec<_> = numbered(20).map(|name| tree.add(&name)).collect();
    for (id, name) in ids.into_iter().zip(numbered(20)) {
        let (answer, reads) = reads_for(&mut tree.cgroups(), id);
        assert_eq!(answer.as_deref(), Some(&*format!("/{name}")));
        assert!(reads <= 4, "{reads} reads");
    }
}

#[test]
fn only_a_walk_that_began_after_the_question_makes_a_cgroup_known_as_gone() {
    let tree = Tree::of(numbered(STEPS));
    let mut cgroups = tree.cgroups();
    assert_eq!(cgroups.path(u64::MAX, NO_PID), None); // the walk stands before its end
    let late = tree.add("late");
    let (first, _) = reads_for(&mut cgroups, late);
    assert_eq!(first.as_deref(), Some("/late"));
    assert!(!cgroups.is_asked_for(u64::MAX), "the first has its answer, too");
}

#[test]
fn many_unknown_ids_share_a_walk() {
    let tree = Tree::of(numbered(2 * STEPS));
    let mut cgroups = tree.cgroups();
    let ids = u64::MAX - 1000..u64::MAX;
    for id in ids.clone() {
        assert_eq!(cgroups.path(id, NO_PID), None);
    }
    let mut reads = 0;
    while ids.clone().any(|id| cgroups.is_asked_for(id)) {
        cgroups.renew();
        reads += 1;
    }
    assert!(reads <= 5, "{reads} reads");
    let waiting = |cgroups: &Cgroups| cgroups.asked_before.len() + cgroups.asked_since.len();
    for id in 1 << 40..(1 << 40) + 100_000 {
        cgroups.path(id, NO_PID);
    }
    assert!(waiting(&cgroups) <= 2 * MAY_WAIT, "{}", waiting(&cgroups));
}

#[test]
fn a_process_tells_its_cgroup_only_if_that_is_the_one() {
    let Some(root) = mount_point() else { return };
    let mut cgroups = Cgroups { steps: 0, ..Cgroups::default() }; // no walk
    let ours = fs::read_to_string("/proc/self/cgroup").expect("/proc is mounted");
    let ours = ours.lines().find_map(|line| line.strip_prefix("0::")).expect("version 2");
    let folder = root.join(ours.trim_start_matches('/'));
    assert_eq!(cgroups.path(u64::MAX, id()), None, "it is not there");
    if let Some(ours_id) = id_of(&folder) {
        assert_eq!(cgroups.path(ours_id, id()).as_deref(), Some(ours));
    }
    cgroups.looks = 0;
    assert_eq!(cgroups.path_of_process(u64::MAX, id()), None);
}

#[test]
fn a_tree_of_any_depth_has_a_bounded_number_of_open_folders() {
    let tree = Tree::of([]);
    let deep = tree.add(&"d/".repeat(100));
    let open = || fs::read_dir("/proc/self/fd").expect("/proc is mounted").count();
    let (mut cgroups, before) = (tree.cgroups(), open());
    cgroups.steps = 90;
    cgroups.path(deep, NO_PID);
    // Other tests open files, too.
    assert!(open() < before + 60, "{before} {}", open());
    let (answer, _) = reads_for(&mut cgroups, deep);
    assert_eq!(answer, None);
    let shallow = tree.add(&"d/".repeat(20));
    assert!(reads_for(&mut cgroups, shallow).0.is_some());
}
