//! What is counted for each name of a command.
//!
//! Users choose the names, and so how many there are: beyond some number, further ones are
//! counted together.

use std::collections::HashMap;

use crate::process::comm::Comm;

/// How many names are counted apart. With a total, one takes 165 bytes, so all take 1.6 MiB.
pub const MOST_NAMES: usize = 10_000;

/// The row of all further names. No name can look like it: its parentheses would be quoted.
pub const OTHERS: &str = "(others)";

/// A count for each name.
#[derive(Debug, Default)]
pub struct ByName<T> {
    named: HashMap<Comm, T>,
    others: T,
}

impl<T: Default> ByName<T> {
    /// That of a name, or of all further ones.
    pub fn of(&mut self, name: &Comm) -> &mut T {
        if !self.named.contains_key(name) && self.named.len() < MOST_NAMES {
            self.named.insert(name.clone(), T::default());
        }
        self.named.get_mut(name).unwrap_or(&mut self.others)
    }

    /// All, in any order. `None`: the further names, which there may be none of.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&Comm>, &T)> {
        let named = self.named.iter().map(|(name, count)| (Some(name), count));
        named.chain([(None, &self.others)])
    }

    /// The same to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Option<&Comm>, &mut T)> {
        let named = self.named.iter_mut().map(|(name, count)| (Some(name), count));
        named.chain([(None, &mut self.others)])
    }
}
