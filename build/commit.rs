//! Which commit of git this is built from, for `--version`.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Commit {
    /// The short hash.
    pub hash: String,
    /// The files that change when it is another.
    pub files: Vec<PathBuf>,
}

/// `None` where the folder is not the top of a checkout, and where git is missing or refuses, as it
/// does with another user's.
pub fn commit_of(folder: &Path) -> Option<Commit> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim_end().to_owned())
    };
    let path_to_top = git(&["rev-parse", "--show-cdup"])?;
    if !path_to_top.is_empty() {
        return None; // the sources lie in a repository of something else
    }
    let hash = git(&["rev-parse", "--short", "HEAD"])?;
    // A branch's own file may be packed away; where HEAD has pointed to is logged beside it.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
    let files = ["HEAD", "logs/HEAD", &branch].into_iter().filter(|name| !name.is_empty());
    let files = files
        .filter_map(|name| git(&["rev-parse", "--git-path", name]))
        .map(|path| folder.join(path))
        .filter(|path| path.is_file()) // cargo takes a missing one for changed, each time
        .collect();
    Some(Commit { hash, files })
}
