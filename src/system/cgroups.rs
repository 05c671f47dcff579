//! From the id of a cgroup to its path.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::mem::take;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use procfs_core::FromRead as _;
use procfs_core::process::MountInfos;

use super::remembered::Remembered;
use walk::Walk;

mod walk;

/// Where the cgroup v2 hierarchy is mounted, if it is.
pub fn mount_point() -> Option<PathBuf> {
    let mounts = MountInfos::from_file("/proc/self/mountinfo").ok()?;
    mounts.into_iter().find(|mount| mount.fs_type == "cgroup2").map(|mount| mount.mount_point)
}

/// Bytes in each of the two generations of paths. A path has some 60 bytes, so thousands fit.
const ROOM: usize = 512 * 1024;

/// How many unknown ids may wait for a walk; twice as many, if one is under way.
const MAY_WAIT: usize = 2048;

/// How many steps of a walk a read may take in all. A folder takes one: 2.5 µs, and 5.3 µs when
/// the kernel sees it for the first time. So a read loses 3 to 5 ms, and a machine with some
/// hundred cgroups has each answer at once.
const STEPS: usize = 1024;

/// What a folder with others in it takes: 15 to 21 µs, the more files, the longer.
const OPENING: usize = 8;

/// How many processes a read may ask in all. One takes 12 µs.
const LOOKS: usize = 128;

/// The paths of the cgroups met so far, below the mount point: `/system.slice/cron.service`.
///
/// Users choose how many cgroups there are, so both memory and the work of a read are bounded.
/// Without privileges nobody can ask the kernel for the path of an id, so a cgroup is searched:
/// first where the process is now, then everywhere, a part of the tree at each read.
#[derive(Debug)]
pub struct Cgroups {
    root: Option<PathBuf>,
    paths: Remembered<u64>,
    walk: Option<Walk>,
    /// Unknown ids that were asked for before the walk began. At its end they are gone.
    asked_before: HashSet<u64>,
    /// Those that were asked for since: the walk may have passed them.
    asked_since: HashSet<u64>,
    /// What this read may still do.
    steps: usize,
    looks: usize,
}

impl Cgroups {
    /// The cgroups below a folder: the mount point.
    pub fn below(root: Option<PathBuf>) -> Self {
        Self {
            root,
            paths: Remembered::within(ROOM),
            walk: None,
            asked_before: HashSet::new(),
            asked_since: HashSet::new(),
            steps: STEPS,
            looks: LOOKS,
        }
    }

    /// The path of a cgroup in which the process `pid` is or was. `None` if it is gone, or not
    /// found yet, or no cgroup v2 hierarchy is mounted.
    pub fn path(&mut self, id: u64, pid: u32) -> Option<Rc<str>> {
        if let Some(known) = self.paths.get(id) {
            return known;
        }
        if self.root.is_none() || id == 0 {
            return None; // 0 is no cgroup's id
        }
        if let Some(path) = self.path_of_process(id, pid) {
            self.found(id, path.clone());
            return Some(path);
        }
        if !self.is_asked_for(id) {
            let asked =
                if self.walk.is_some() { &mut self.asked_since } else { &mut self.asked_before };
            if asked.len() >= MAY_WAIT {
                return None;
            }
            asked.insert(id);
        }
        while self.steps > 0 && self.is_asked_for(id) {
            self.step();
        }
        self.paths.get(id).flatten()
    }

    /// A read has ended: what it has left to do goes to those that wait, and the next one has
    /// all its steps again.
    pub fn renew(&mut self) {
        while self.steps > 0 && !(self.asked_before.is_empty() && self.asked_since.is_empty()) {
            self.step();
        }
        self.steps = STEPS;
        self.looks = LOOKS;
    }

    fn is_asked_for(&self, id: u64) -> bool {
        self.asked_before.contains(&id) || self.asked_since.contains(&id)
    }

    /// The path that a process is in now, if that is this cgroup: it may have moved, and its pid
    /// may be another's.
    fn path_of_process(&mut self, id: u64, pid: u32) -> Option<Rc<str>> {
        self.looks = self.looks.checked_sub(1)?;
        let cgroups = fs::read(format!("/proc/{pid}/cgroup")).ok()?;
        let path = cgroups.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"0::/"));
        let path = OsStr::from_bytes(path?);
        (id_of(&self.root.as_ref()?.join(path))? == id)
            .then(|| format!("/{}", path.to_string_lossy()).into())
    }

    /// Looks at the next folder. At the end of a walk, those who asked before it are answered.
    fn step(&mut self) {
        self.steps -= 1;
        let Some(root) = &self.root else { return };
        let Some(walk) = &mut self.walk else {
            self.walk = Some(Walk::begin(root));
            if let Some(id) = id_of(root) {
                self.found(id, "/".into());
            }
            return;
        };
        if let Some(folder) = walk.next_folder() {
            if folder.is_opened {
                self.steps = self.steps.saturating_sub(OPENING - 1);
            }
            self.found(folder.id, folder.path.into());
            return;
        }
        self.walk = None;
        for gone in take(&mut self.asked_before) {
            self.paths.insert(gone, None);
        }
        self.asked_before = take(&mut self.asked_since);
    }

    fn found(&mut self, id: u64, path: Rc<str>) {
        // Both, always: an id may have been asked for in one walk and again in the next.
        if self.asked_before.remove(&id) | self.asked_since.remove(&id) {
            self.paths.insert(id, Some(path));
        } else {
            self.paths.insert_if_room(id, path);
        }
    }
}

impl Default for Cgroups {
    fn default() -> Self {
        Self::below(mount_point())
    }
}

/// The id of a cgroup is the inode of its folder.
fn id_of(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|folder| folder.ino())
}

/// The mount point, for a filter that would hide everything without it.
///
/// # Errors
///
/// When it can't be found, in words for the user.
pub fn needed_mount_point() -> Result<PathBuf, &'static str> {
    mount_point().ok_or(if Path::new("/proc/self/mountinfo").exists() {
        "no cgroup v2 hierarchy is mounted"
    } else {
        "/proc, which tells where the cgroups are, is not mounted"
    })
}

/// The path below the mount point of a cgroup that is given as a user may: below the mount
/// point, or from the root of the file system.
///
/// # Errors
///
/// When there is no such cgroup, in words for the user.
pub fn resolve(given: &str) -> Result<String, String> {
    let root = needed_mount_point()?;
    let given_path = Path::new(given);
    let below = given_path.strip_prefix(&root).unwrap_or(given_path);
    let below = below.strip_prefix("/").unwrap_or(below);
    if root.join(below).join("cgroup.procs").exists() || below.as_os_str().is_empty() {
        Ok(format!("/{}", below.display()))
    } else {
        Err(format!("there is no such cgroup below {}", root.display()))
    }
}

/// The folder of such a path.
pub fn folder(path: &str) -> Option<PathBuf> {
    Some(mount_point()?.join(path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests;
