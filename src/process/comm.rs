//! The name of a process.

use std::cmp::Ordering;
use std::ops::Deref;
use std::rc::Rc;

/// The most that the kernel tells of a name, but for its own threads: `TASK_COMM_LEN` without the NUL.
const SHORT: usize = 15;

/// The name of a process, as its bytes. Each record has two, so a short one takes no memory of its
/// own: to ask for that, and to give it back, took a third of what a record costs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Comm {
    /// Its length, and what it fills up with zeros.
    Short(u8, [u8; SHORT]),
    Long(Rc<[u8]>),
}

impl From<&[u8]> for Comm {
    fn from(name: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..name.len()) {
            Some(begin) => {
                begin.copy_from_slice(name);
                Self::Short(name.len() as u8, bytes)
            }
            None => Self::Long(name.into()),
        }
    }
}

impl<const N: usize> From<[u8; N]> for Comm {
    fn from(name: [u8; N]) -> Self {
        name.as_slice().into()
    }
}

impl From<Vec<u8>> for Comm {
    fn from(name: Vec<u8>) -> Self {
        name.as_slice().into()
    }
}

impl Default for Comm {
    fn default() -> Self {
        [].into()
    }
}

impl Deref for Comm {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(name) => name,
        }
    }
}

impl Ord for Comm {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

impl PartialOrd for Comm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_was_made_of_however_long() {
        for len in 0..=64 {
            let name: Vec<u8> = (1..=len).collect();
            let comm = Comm::from(name.as_slice());
            assert_eq!((&*comm, comm.clone()), (name.as_slice(), name.clone().into()));
            assert_eq!(matches!(comm, Comm::Short(..)), name.len() <= SHORT);
        }
        assert_ne!(Comm::from(*b"a"), Comm::from(*b"a\0"));
        assert!(Comm::from(*b"b") > [b'a'; 20].into());
    }
}
