//! User names, asked of the system once each.

use std::collections::HashMap;
use std::rc::Rc;

use nix::unistd::{Uid, User};

/// The names of user ids. A name that changes while the program runs is not noticed.
#[derive(Debug, Default)]
pub struct Users {
    names: HashMap<u32, Option<Rc<str>>>,
}

impl Users {
    /// The name of a user id, or `None` where the system knows none.
    pub fn name(&mut self, uid: u32) -> Option<Rc<str>> {
        let look_up = || {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.map(|user| user.name.into())
        };
        self.names.entry(uid).or_insert_with(look_up).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_an_unused_id_has_none() {
        let mut users = Users::default();
        assert_eq!(users.name(0).as_deref(), Some("root"));
        assert_eq!(users.name(0).as_deref(), Some("root"));
        assert_eq!(users.name(4_000_000_000), None);
    }
}
