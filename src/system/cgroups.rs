//! From the id of a cgroup to its path.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use procfs::process::Process;

/// Where the cgroup v2 hierarchy is mounted, if it is.
pub fn mount_point() -> Option<PathBuf> {
    let mounts = Process::myself().and_then(|us| us.mountinfo()).ok()?;
    mounts.into_iter().find(|mount| mount.fs_type == "cgroup2").map(|mount| mount.mount_point)
}

/// The paths of the cgroups met so far, below the mount point: `/system.slice/cron.service`.
#[derive(Debug)]
pub struct Cgroups {
    root: Option<PathBuf>,
    paths: HashMap<u64, Option<Rc<str>>>,
}

/// More cgroups than this are forgotten and looked up again, so that memory does not grow.
const REMEMBERED: usize = 4096;

impl Cgroups {
    pub fn new() -> Self {
        Self { root: mount_point(), paths: HashMap::new() }
    }

    /// The path of a cgroup, or `None` if it is gone, or no cgroup v2 hierarchy is mounted.
    pub fn path(&mut self, id: u64) -> Option<Rc<str>> {
        if let Some(known) = self.paths.get(&id) {
            return known.clone();
        }
        if self.paths.len() >= REMEMBERED {
            self.paths.clear();
        }
        // One walk finds all there are now.
        if let Some(root) = self.root.clone() {
            self.walk(&root, "/");
        }
        self.paths.entry(id).or_default().clone()
    }

    /// Remembers a cgroup and all below it. The id of a cgroup is the inode of its folder;
    /// one that vanishes meanwhile is no error.
    fn walk(&mut self, dir: &Path, path: &str) {
        let Ok(entries) = fs::metadata(dir).and_then(|metadata| {
            self.paths.insert(metadata.ino(), Some(path.into()));
            fs::read_dir(dir)
        }) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name();
                let path = format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy());
                self.walk(&entry.path(), &path);
            }
        }
    }
}

impl Default for Cgroups {
    fn default() -> Self {
        Self::new()
    }
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
