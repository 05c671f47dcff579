//! What the system calls the numbers in a record.

use std::rc::Rc;

use super::cgroups::Cgroups;
use super::users::Users;
use crate::process::event::Names;
use crate::process::record::Common;

/// Looks names up, each once, as long as memory allows.
#[derive(Debug, Default)]
pub struct NameLookup {
    users: Users,
    cgroups: Cgroups,
}

impl NameLookup {
    pub fn names_of(&mut self, common: &Common) -> Names {
        Names { user: self.users.name(common.uid), cgroup: self.cgroup(common) }
    }

    /// The path of a cgroup alone.
    pub fn cgroup(&mut self, common: &Common) -> Option<Rc<str>> {
        self.cgroups.path(common.cgroup_id)
    }
}
