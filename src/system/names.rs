//! What the system calls the numbers in a record.

use std::rc::Rc;

use super::cgroups::Cgroups;
use super::users::Users;
use crate::process::event::Names;
use crate::process::record::Common;

/// Looks names up, each once, as long as memory allows. What takes long to look up is not known
/// for a while: a read does a bounded part of the work.
#[derive(Debug, Default)]
pub struct NameLookup {
    users: Users,
    cgroups: Cgroups,
}

impl NameLookup {
    /// The names of what a process is or was, at an event.
    pub fn names_of(&mut self, common: &Common, pid: u32) -> Names {
        Names { user: self.users.name(common.uid), cgroup: self.cgroup(common, pid) }
    }

    /// The path of a cgroup alone.
    pub fn cgroup(&mut self, common: &Common, pid: u32) -> Option<Rc<str>> {
        self.cgroups.path(common.cgroup_id, pid)
    }

    /// To be called once a read.
    pub fn renew(&mut self) {
        self.users.renew();
        self.cgroups.renew();
    }
}
