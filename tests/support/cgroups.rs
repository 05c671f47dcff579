//! Cgroups that a user may make.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use kernel_and_user_map::system::cgroups;
use nix::mount::{MsFlags, mount, umount};

use super::processes::wait_until;

/// A user of nothing else.
pub const USER: u32 = 54_321;

/// A cgroup that belongs to a user, as a container's or a login session's does.
pub struct Delegated {
    pub dir: PathBuf,
    /// Its path below the mount point.
    pub path: String,
    /// Where cgroups had to be mounted.
    mounted: Option<PathBuf>,
}

impl Delegated {
    pub fn create() -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("kernel_and_user_map-names-{}-{number}", std::process::id());
        let mut mounted = None;
        let root = cgroups::mount_point().unwrap_or_else(|| {
            // Not a `TempDir`, which deletes what it finds: here, that would be other cgroups.
            let root = std::env::temp_dir().join(&name);
            fs::create_dir(&root).expect("a folder");
            let (kind, flags) = (Some("cgroup2"), MsFlags::empty());
            mount(kind, &root, kind, flags, None::<&str>).expect("the kernel has cgroups");
            mounted.insert(root).clone()
        });
        let dir = root.join(&name);
        fs::create_dir(&dir).expect("root may make a cgroup");
        for file in ["", "cgroup.procs", "cgroup.subtree_control"] {
            chown(dir.join(file), Some(USER), Some(USER)).expect("root may give it away");
        }
        Self { dir, path: format!("/{name}"), mounted }
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        // A process that has just ended may still be in it.
        let _ = wait_until(|| {
            remove_cgroups(&self.dir);
            !self.dir.exists()
        });
        if let Some(root) = &self.mounted {
            let _ = umount(root);
            let _ = fs::remove_dir(root);
        }
    }
}

/// The files in a cgroup go with it, and can't be deleted.
pub fn remove_cgroups(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroups(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}
