//! Root without capabilities still owns most files of the system. This lets it write none but
//! those that it has to: Landlock, since Linux 5.13.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use landlock::{
    ABI, AccessFs, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus,
};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess, geteuid};

/// Knows all that Landlock can forbid about writing files up to Linux 6.10. Later versions also
/// tell sockets and signals, which the program needs: user names come by sockets.
const KNOWN: ABI = ABI::V5;

/// What may be written from now on.
#[derive(Debug, PartialEq, Eq)]
pub enum WriteLimit {
    /// These alone: folders with all below them, and what is no regular file itself.
    Below(Vec<PathBuf>),
    /// Whatever the user may write, as the kernel has no Landlock. Why it has none.
    Missing(&'static str),
}

impl fmt::Display for WriteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(places) if places.is_empty() => f.write_str("writes no files"),
            Self::Below(places) => {
                let places: Vec<_> = places.iter().map(|place| format!("{place:?}")).collect();
                write!(f, "writes only below {}", places.join(", "))
            }
            Self::Missing(why) => write!(f, "writes where root may (Landlock is {why} here)"),
        }
    }
}

/// Forbids the calling thread, and those that it starts, to write files elsewhere. Open ones stay
/// as they are, and reading is free, and so are signals.
/// To be called while there is one thread. Sets no_new_privs.
///
/// # Errors
///
/// When one of the places can't be opened, or the kernel refuses.
pub fn write_only_below(places: &[PathBuf]) -> Result<WriteLimit> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_write(KNOWN))?.create()?;
    for place in places {
        let opened = PathFd::new(place).with_context(|| format!("{}", place.display()))?;
        // A temporary file is made beside the one that it replaces. A file of today may be
        // written over or appended to; it is never moved to another folder.
        let access = if place.is_dir() {
            AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::WriteFile | AccessFs::Truncate
        } else {
            AccessFs::WriteFile | AccessFs::Truncate
        };
        ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
    }
    let status = ruleset.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            WriteLimit::Missing("not enabled")
        }
        (RulesetStatus::NotEnforced, _) => WriteLimit::Missing("not known"),
        _ => WriteLimit::Below(places.to_vec()),
    })
}

/// Where the files are made or written: their folders. A terminal, a named pipe or `/dev/null` is
/// one itself: it is not replaced, and its folder holds all disks. A symbolic link is written
/// through.
pub fn places_of(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut places: Vec<_> = files.iter().filter_map(|file| place_of(file)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// `None` for a pipe without a name (`/dev/stdout`): Landlock leaves it alone.
fn place_of(file: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(file);
    if fs::metadata(file).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
        return real.ok();
    }
    let file = real.as_deref().unwrap_or(file);
    let folder = file.parent().unwrap_or(file);
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    Some(fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()))
}

/// Tells early, before hours are spent, that a file can't be written with the rights that are
/// left: neither itself nor a new one in its place.
///
/// # Errors
///
/// When one of the files can't be written.
pub fn check_writable(files: &[PathBuf]) -> Result<()> {
    let uid = geteuid();
    for file in files {
        let place = place_of(file).unwrap_or_else(|| file.clone());
        eaccess(&place, AccessFlags::W_OK | AccessFlags::X_OK)
            .or_else(|why| eaccess(file, AccessFlags::W_OK).map_err(|_| why))
            .map_err(|errno| {
                let file = file.display();
                let rights = match errno {
                    Errno::EACCES => format!(" (as uid {uid}, without root's rights)"),
                    _ => String::new(),
                };
                anyhow!("could not write {file}: {}{rights}", errno.desc())
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn places(files: &[&str]) -> Vec<PathBuf> {
        places_of(&files.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_is_made_in_its_folder() {
        let here = std::env::current_dir().expect("there is one");
        assert_eq!(places(&["new.svg", "./other.svg"]), [here]);
        assert_eq!(places(&["/no/such/a", "/no/such/b"]), [Path::new("/no/such")]);
        assert_eq!(places(&["/new.svg"]), [Path::new("/")]);
    }

    #[test]
    fn what_is_no_regular_file_is_itself_a_place() {
        assert_eq!(places(&["/dev/null"]), [Path::new("/dev/null")]);
        let (_reader, writer) = nix::unistd::pipe().expect("descriptors");
        let unnamed = format!("/proc/self/fd/{}", writer.as_raw_fd());
        assert!(places(&[&unnamed]).is_empty());
        check_writable(&[unnamed.into()]).expect("it is ours");
    }

    #[test]
    fn a_link_is_written_where_it_leads() {
        let dir = tempfile::tempdir().expect("a folder");
        let (log, folder) = (dir.path().join("log"), dir.path().join("logs"));
        fs::create_dir(&folder).expect("it is ours");
        fs::write(folder.join("today"), "").expect("it is ours");
        symlink(folder.join("today"), &log).expect("it is ours");
        let real = fs::canonicalize(&folder).expect("it is there");
        assert_eq!(places_of(&[log]), [real]);
    }

    #[test]
    fn what_cannot_be_written_is_told_with_its_name() {
        let error = check_writable(&["/no/such/build.svg".into()]).expect_err("no such folder");
        let message = "could not write /no/such/build.svg: No such file or directory";
        assert_eq!(error.to_string(), message);
        check_writable(&["/dev/null".into()]).expect("all may write there");
    }

    #[test]
    fn the_limit_names_its_places() {
        let below = |places: &[&str]| {
            WriteLimit::Below(places.iter().map(PathBuf::from).collect()).to_string()
        };
        assert_eq!(below(&["/a", "/b\n"]), r#"writes only below "/a", "/b\n""#);
        assert_eq!(below(&[]), "writes no files");
        let missing = WriteLimit::Missing("not enabled").to_string();
        assert_eq!(missing, "writes where root may (Landlock is not enabled here)");
    }
}
