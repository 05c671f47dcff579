//! What the kernel leaves out (`src/bpf/wanted.bpf.h`), since the filter hides it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::ptr;

use libbpf_rs::{MapCore, MapFlags, MapType, Result};

use super::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel};
use crate::process::record::TICK_NS;

/// No count of cgroups made is this one.
const NEVER: u64 = u64::MAX;

/// Whose events are recorded; what is empty asks for nothing.
#[derive(Debug, Default)]
pub struct Wanted {
    pub pids: Vec<u32>,
    /// Real user ids, at the exec.
    pub users: Vec<u32>,
    /// The folder of a cgroup, which need not be there all the time: this one and those below it.
    pub cgroup: Option<PathBuf>,
}

impl Wanted {
    /// Makes room for it in the program, before that is loaded. `most`: so many processes that
    /// live at once are left out; what is more is recorded.
    ///
    /// # Errors
    ///
    /// When libbpf refuses a size.
    pub fn configure(&self, open_skel: &mut OpenKernelAndUserMapSkel<'_>, most: u32) -> Result<()> {
        let Self { pids, users, cgroup } = self;
        let maps = &mut open_skel.maps;
        if let Some(constants) = &mut maps.rodata_data {
            constants.only_wanted_pids = (!pids.is_empty()).into();
            constants.only_wanted_users = (!users.is_empty()).into();
            constants.only_wanted_cgroup = cgroup.is_some().into();
        }
        if let Some(bss) = &mut maps.bss_data {
            (bss.refuse_from, bss.cgroups_looked_at) = (u64::MAX, NEVER);
        }
        // More than a u32 can count are more than a command line can hold.
        let room = |numbers: &[u32]| u32::try_from(numbers.len()).unwrap_or(u32::MAX).max(1);
        maps.wanted_pids.set_max_entries(room(pids))?;
        maps.wanted_users.set_max_entries(room(users))?;
        let refuses = !users.is_empty() || cgroup.is_some();
        maps.refused.set_max_entries(if refuses { most } else { 1 })?;
        open_skel.progs.cgroup_made.set_autoload(cgroup.is_some());
        if cgroup.is_none() {
            // A kernel without cgroups knows no map of them.
            maps.wanted_cgroup.set_type(MapType::Array)?;
        }
        Ok(())
    }

    /// Tells the loaded program the numbers.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one.
    pub fn tell(&self, skel: &KernelAndUserMapSkel<'_>) -> Result<()> {
        let enter = |map: &dyn MapCore, numbers: &[u32]| {
            numbers.iter().try_for_each(|it| map.update(&it.to_ne_bytes(), &[1], MapFlags::ANY))
        };
        enter(&skel.maps.wanted_pids, &self.pids)?;
        enter(&skel.maps.wanted_users, &self.users)
    }

    /// Lets the kernel refuse what is started in a watch that begins then (nanoseconds on the boot
    /// clock).
    pub fn begin(&self, skel: &mut KernelAndUserMapSkel<'_>, begin: u64) {
        self.look(skel);
        if let Some(bss) = &mut skel.maps.bss_data {
            // `/proc` rounds a start down, so what is less than a tick younger may be found there.
            // SAFETY: a reference is valid to write to. Volatile, since the kernel looks at it at
            // any time; it is an aligned u64, which no CPU tears.
            unsafe { ptr::write_volatile(&raw mut bss.refuse_from, begin + TICK_NS) };
        }
    }

    /// Looks which cgroup has the path now, if any was made since the last time. Until then, the
    /// kernel leaves out nothing for its cgroup.
    pub fn look(&self, skel: &mut KernelAndUserMapSkel<'_>) {
        let (Some(folder), Some(bss)) = (&self.cgroup, &mut skel.maps.bss_data) else { return };
        // SAFETY: a reference is valid to read from. Volatile, since the kernel changes it at any
        // time; it is an aligned u64, which no CPU tears.
        let made = unsafe { ptr::read_volatile(&raw const bss.cgroups_made) };
        if made == bss.cgroups_looked_at {
            return;
        }
        // If another is made after the count was read, the count will tell.
        let looked_at = if enter(&skel.maps.wanted_cgroup, folder) { made } else { NEVER };
        // SAFETY: as in `begin`.
        unsafe { ptr::write_volatile(&raw mut bss.cgroups_looked_at, looked_at) };
    }
}

/// Tells the kernel the cgroup of a folder. Whether it knows now who is in it.
fn enter(map: &impl MapCore, folder: &Path) -> bool {
    match File::open(folder) {
        Ok(folder) => {
            let descriptor = folder.as_raw_fd().to_ne_bytes();
            map.update(&0_u32.to_ne_bytes(), &descriptor, MapFlags::ANY).is_ok()
        }
        // Then nobody is, nor in the one that was there before.
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}
