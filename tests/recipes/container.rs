//! What a container is to the kernel: a cgroup, with the id of the container in its name.

use std::fs;
use std::path::{Path, PathBuf};

/// A cgroup that goes with this value.
pub struct Container {
    cgroup: PathBuf,
    id: PathBuf,
}

impl Container {
    pub fn create() -> Self {
        let mounts = fs::read_to_string("/proc/mounts").expect("/proc is mounted");
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let hierarchy = fields.find(|fields| fields[2] == "cgroup2").expect("cgroup v2 is mounted");
        // Two tests at once do not meet.
        let id = format!("{:08x}{:056x}", std::process::id(), 0xc0de);
        let cgroup = Path::new(hierarchy[1]).join(format!("docker-{id}.scope"));
        fs::create_dir(&cgroup).expect("a new cgroup");
        Self { cgroup, id: id.into() }
    }

    pub fn variables(&self) -> [(&str, &Path); 2] {
        [("CONTAINER_ID", &self.id), ("CONTAINER_CGROUP", &self.cgroup)]
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Whoever was in it was killed, and may not have ended yet.
        for _ in 0..1000 {
            if fs::remove_dir(&self.cgroup).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        eprintln!("{} is left behind", self.cgroup.display());
    }
}
