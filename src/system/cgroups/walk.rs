//! A walk through the tree of cgroups that can stop anywhere, and goes on there.

use std::fs::{self, DirEntry, ReadDir};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;

/// Deeper folders are not looked at: each level of the walk is an open file, with 32 KiB to read
/// into. Known systems nest cgroups ten deep.
const DEEPEST: usize = 32;

/// Folders that are being read, each inside of the one before. A folder is read as the walk goes
/// on, since it may have any number of folders in it.
#[derive(Debug)]
pub struct Walk {
    open: Vec<(ReadDir, String)>,
}

/// A folder on the way.
#[derive(Debug)]
pub struct Folder {
    /// Its inode.
    pub id: u64,
    /// Its path from the root.
    pub path: String,
    /// Whether it had to be looked into.
    pub is_opened: bool,
}

impl Walk {
    pub fn begin(root: &Path) -> Self {
        let entries = fs::read_dir(root).ok();
        Self { open: entries.map(|entries| (entries, String::new())).into_iter().collect() }
    }

    /// The next folder below the root. `None` at the end. One that vanishes meanwhile is no error.
    pub fn next_folder(&mut self) -> Option<Folder> {
        loop {
            let (entries, above) = self.open.last_mut()?;
            let Some(Ok(entry)) = entries.next() else {
                self.open.pop();
                continue;
            };
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = format!("{above}/{}", entry.file_name().to_string_lossy());
            let is_opened = self.open.len() < DEEPEST && !is_leaf(&entry);
            if is_opened {
                let entries = fs::read_dir(entry.path()).ok();
                self.open.extend(entries.map(|entries| (entries, path.clone())));
            }
            return Some(Folder { id: entry.ino(), path, is_opened });
        }
    }
}

/// Whether there are no folders in a folder, as far as its links tell: one is that of its parent,
/// one its own, and one that of each folder in it.
fn is_leaf(entry: &DirEntry) -> bool {
    entry.metadata().is_ok_and(|folder| folder.nlink() == 2)
}
