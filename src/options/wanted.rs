//! What the kernel may leave out.

use super::{Options, Saved};
use crate::kernel::wanted::Wanted;
use crate::report::{Picture, View};
use crate::system::cgroups;

impl Options {
    /// Whose events the kernel must record. All users' and cgroups', where all processes are needed
    /// whatever is printed of their events.
    pub fn wanted(&self) -> Wanted {
        let is_tree = |saved: &Saved| !matches!(saved.picture, Picture::Stream(_));
        let is_tree = self.view == View::Tree || self.save.iter().any(is_tree);
        let pids = self.pid.clone();
        if is_tree || self.follows() || self.ancestors {
            return Wanted { pids, ..Wanted::default() };
        }
        // Of several cgroups, user space chooses.
        let cgroup = match &self.cgroup[..] {
            [path] => cgroups::folder(path),
            _ => None,
        };
        Wanted { pids, users: self.user.clone(), cgroup }
    }
}
