//! User names, asked of the system once each.

use std::collections::HashMap;

use nix::unistd::{Uid, User};

/// The names of user ids. A name that changes while the program runs is not noticed.
#[derive(Debug, Default)]
pub struct Users {
    names: HashMap<u32, Option<String>>,
}

impl Users {
    /// The name of a user id, or `None` where the system knows none.
    pub fn name(&mut self, uid: u32) -> Option<&str> {
        let look_up = || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        self.names.entry(uid).or_insert_with(look_up).as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_an_unused_id_has_none() {
        let mut users = Users::default();
        assert_eq!(users.name(0), Some("root"));
        assert_eq!(users.name(0), Some("root"));
        assert_eq!(users.name(4_000_000_000), None);
    }
}
