//! Names that were looked up, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem::take;
use std::rc::Rc;

use foldhash::fast::RandomState;

/// What an entry takes beside its name, in bytes: its place in a hash table that is half full,
/// and what the allocator adds.
const ENTRY: usize = 100;

/// The names of ids, where `None` stands for an id that has no name. There are two generations:
/// a name that is asked for moves to the newer one, and when that is full, the older one is
/// forgotten. So names that are in use stay, however many others come by.
#[derive(Debug)]
pub struct Remembered<K> {
    newer: HashMap<K, Option<Rc<str>>, RandomState>,
    older: HashMap<K, Option<Rc<str>>, RandomState>,
    /// Bytes in the newer one, and how many there may be.
    used: usize,
    room: usize,
}

impl<K: Copy + Eq + Hash> Remembered<K> {
    /// Takes at most about twice so many bytes: so many for each generation.
    pub fn within(room: usize) -> Self {
        let (newer, older) = Default::default();
        Self { newer, older, used: 0, room }
    }

    /// What is remembered of an id, if anything is.
    pub fn get(&mut self, id: K) -> Option<Option<Rc<str>>> {
        self.newer.get(&id).cloned().or_else(|| self.get_older(id))
    }

    #[cold]
    fn get_older(&mut self, id: K) -> Option<Option<Rc<str>>> {
        let name = self.older.remove(&id)?;
        self.insert(id, name.clone());
        Some(name)
    }

    pub fn insert(&mut self, id: K, name: Option<Rc<str>>) {
        let bytes = bytes_of(&name);
        if self.used + bytes > self.room {
            self.older = take(&mut self.newer);
            self.used = 0;
        }
        if let Some(before) = self.newer.insert(id, name) {
            self.used -= bytes_of(&before);
        }
        self.used += bytes;
    }

    /// Remembers a name that nobody has asked for yet, if no other has to go for it.
    pub fn insert_if_room(&mut self, id: K, name: Rc<str>) {
        let name = Some(name);
        if self.used + bytes_of(&name) <= self.room {
            self.insert(id, name);
        }
    }

    pub fn clear(&mut self) {
        *self = Self::within(self.room);
    }
}

fn bytes_of(name: &Option<Rc<str>>) -> usize {
    ENTRY + name.as_ref().map_or(0, |name| name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for ten entries with names of ten bytes.
    fn remembered() -> Remembered<u32> {
        Remembered::within(10 * (ENTRY + 10))
    }

    fn name(id: u32) -> Option<Rc<str>> {
        Some(format!("{id:010}").into())
    }

    #[test]
    fn a_name_in_use_stays_however_many_others_come() {
        let mut names = remembered();
        names.insert(0, None);
        names.insert(1, name(1));
        for id in 2..10_000 {
            names.insert(id, name(id));
            assert_eq!((names.get(0), names.get(1)), (Some(None), Some(name(1))), "{id}");
            assert!(names.newer.len() <= 10 && names.older.len() <= 10);
        }
        assert_eq!(names.get(2), None);
        assert_eq!(names.get(9999), Some(name(9999)));
    }

    #[test]
    fn long_names_leave_room_for_fewer() {
        let mut names = remembered();
        for id in 0..1000 {
            names.insert(id, Some("x".repeat(ENTRY).into()));
            assert!(names.newer.len() + names.older.len() <= 10);
        }
    }

    #[test]
    fn what_nobody_asked_for_turns_nobody_out() {
        let mut names = remembered();
        names.insert(0, name(0));
        for id in 1..1000 {
            names.insert_if_room(id, format!("{id:010}").into());
        }
        assert_eq!(names.get(0), Some(name(0)));
        assert_eq!((names.newer.len(), names.older.len()), (10, 0));
        // What is there twice counts once.
        names.insert(0, name(0));
        names.insert(0, name(0));
        assert!(names.used <= names.room, "{} {}", names.used, names.room);
    }
}
