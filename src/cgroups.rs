//! From the id of a cgroup to its path, and to the container that it is.

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

/// The container whose cgroup, or an inner cgroup of which, this is: 64 hexadecimal digits.
///
/// Docker, containerd, CRI-O and podman all name a container's cgroup after its id, as
/// `ID`, `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope` or `libpod-ID.scope`.
/// A `conmon` scope holds the monitor of a container, which runs outside.
pub fn container_id(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|name| {
        let name = name.strip_suffix(".scope").unwrap_or(name);
        let (kind, id) = name.rsplit_once('-').unwrap_or(("", name));
        let is_id = id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (is_id && !kind.ends_with("conmon")).then_some(id)
    })
}

/// Whether a cgroup is `ancestor` or below it.
pub fn is_within(path: &str, ancestor: &str) -> bool {
    let rest = path.strip_prefix(ancestor.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path below the mount point of a cgroup that is given as a user may: below the mount
/// point, or from the root of the file system.
///
/// # Errors
///
/// When there is no such cgroup, in words for the user.
pub fn resolve(given: &str) -> Result<String, String> {
    let root = mount_point().ok_or("no cgroup v2 hierarchy is mounted")?;
    let given_path = Path::new(given);
    let below = given_path.strip_prefix(&root).unwrap_or(given_path);
    let below = below.strip_prefix("/").unwrap_or(below);
    if root.join(below).join("cgroup.procs").exists() || below.as_os_str().is_empty() {
        Ok(format!("/{}", below.display()))
    } else {
        Err(format!("there is no such cgroup below {}", root.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_are_known_by_their_cgroup() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("/kubepods/burstable/pod1/{ID}"),
            format!("/kubepods.slice/crio-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/system.slice/docker-{ID}.scope/init.scope"),
        ] {
            assert_eq!(container_id(&path), Some(ID), "{path}");
        }
        for path in [
            "/".to_owned(),
            "/user.slice/user-1000.slice/session-1.scope".to_owned(),
            format!("/machine.slice/libpod-conmon-{ID}.scope"),
            format!("/system.slice/docker-{}.scope", &ID[1..]),
            format!("/docker/{}", ID.to_uppercase()),
        ] {
            assert_eq!(container_id(&path), None, "{path}");
        }
    }

    #[test]
    fn a_cgroup_is_within_itself_and_its_ancestors() {
        assert!(is_within("/a/b", "/a"));
        assert!(is_within("/a", "/a/"));
        assert!(is_within("/a", "/"));
        assert!(!is_within("/ab", "/a"));
        assert!(!is_within("/a", "/a/b"));
    }
}
