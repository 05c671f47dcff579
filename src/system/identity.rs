//! Who a command runs as: the user who called sudo, or the one that is asked for.

use std::env;
use std::ffi::{CString, OsString};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use caps::CapSet;
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, getuid};
use nix::unistd::{setgroups, setresgid, setresuid};

/// Of root or sudo, and not of whom the command runs as: who called sudo, and root's mailbox.
/// A script that finds `SUDO_USER` would take itself for root's.
const OF_SUDO: [&str; 6] =
    ["SUDO_COMMAND", "SUDO_GID", "SUDO_HOME", "SUDO_UID", "SUDO_USER", "MAIL"];

/// A user, with what makes a process that user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub uid: Uid,
    pub gid: Gid,
    /// The supplementary groups. None where the user has no account.
    pub groups: Vec<Gid>,
    name: Option<String>,
    home: PathBuf,
    shell: Option<PathBuf>,
}

impl Identity {
    /// The user who called sudo. `None` where there is nothing to change: the program is not
    /// root, or root called it.
    ///
    /// # Errors
    ///
    /// Where it can't be told who called, since a command must not run as root by accident:
    /// `SUDO_UID` or `SUDO_GID` is not a number, or the program is set-user-ID, and whoever
    /// called it has chosen the environment.
    pub fn of_caller() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        ensure!(getuid().is_root(), "set-user-ID root is not supported: use sudo");
        let Some((uid, gid)) = who_called_sudo(|name| env::var_os(name))? else { return Ok(None) };
        let Some(account) = account_of(uid) else {
            return Ok(Some(Self::without_account(uid, gid, env::var("SUDO_USER").ok())));
        };
        Self::with_account(account, gid).map(Some)
    }

    /// The user with this name or, where there is none, with this number. A number need not have
    /// an account: then its group has the same number.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub fn of_user(text: &str) -> Result<Self> {
        if let Some(account) = User::from_name(text).ok().flatten() {
            let gid = account.gid;
            return Self::with_account(account, gid);
        }
        let Some(id) = parse_id(text) else { bail!("there is no user {text:?}") };
        match account_of(Uid::from_raw(id)) {
            Some(account) => {
                let gid = account.gid;
                Self::with_account(account, gid)
            }
            None => Ok(Self::without_account(Uid::from_raw(id), Gid::from_raw(id), None)),
        }
    }

    fn with_account(account: User, gid: Gid) -> Result<Self> {
        let name = CString::new(account.name.as_str())?;
        let groups = getgrouplist(&name, gid)
            .with_context(|| format!("could not look up the groups of {:?}", account.name))?;
        let shell = Some(account.shell).filter(|shell| !shell.as_os_str().is_empty());
        let home = Some(account.dir).filter(|home| home.is_absolute());
        Ok(Self {
            uid: account.uid,
            gid,
            groups,
            name: Some(account.name),
            home: home.unwrap_or_else(root_folder),
            shell,
        })
    }

    fn without_account(uid: Uid, gid: Gid, name: Option<String>) -> Self {
        Self { uid, gid, groups: Vec::new(), name, home: root_folder(), shell: None }
    }

    /// What the environment of a command of this user has: `None` is to be removed. All other
    /// variables stay, as if the user had started the command, as far as sudo kept them.
    pub fn environment(&self) -> Vec<(&'static str, Option<OsString>)> {
        let name = self.name.as_ref().map(OsString::from);
        let own = [
            ("HOME", Some(self.home.clone().into())),
            ("LOGNAME", name.clone()),
            ("SHELL", self.shell.clone().map(OsString::from)),
            ("USER", name),
        ];
        own.into_iter().chain(OF_SUDO.map(|name| (name, None))).collect()
    }

    /// Gives the calling process this user's groups: before its user, who may not do it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses: the program is not root, or is in a container that forbids it.
    pub fn assume_groups(&self) -> Result<()> {
        let gid = self.gid;
        setgroups(&self.groups).with_context(|| format!("setgroups for uid {}", self.uid))?;
        setresgid(gid, gid, gid).with_context(|| format!("setresgid to gid {gid}"))
    }

    fn assume(&self) -> Result<()> {
        let uid = self.uid;
        self.assume_groups()?;
        setresuid(uid, uid, uid).with_context(|| format!("setresuid to uid {uid}"))
    }
}

/// Where a user without a home is at home.
fn root_folder() -> PathBuf {
    "/".into()
}

/// Makes a new process what a command starts as, between fork and exec: `None` stays whose it is.
/// In either case it gets none of the capabilities that a service manager gave the program to load
/// BPF programs with: ambient ones would outlast the exec.
/// To be called while the process has one thread. It allocates.
///
/// # Errors
///
/// When the kernel refuses: then the process must not go on, since it may still be root's.
pub fn become_user(user: Option<&Identity>) -> Result<()> {
    caps::clear(None, CapSet::Ambient).context("could not clear the ambient capabilities")?;
    user.map_or(Ok(()), Identity::assume)
}

/// Where the system can't tell, too: who has no entry in the user database is a user all the same.
fn account_of(uid: Uid) -> Option<User> {
    User::from_uid(uid).ok().flatten()
}

/// The user and group in the variables that sudo sets, if they are not root's.
fn who_called_sudo(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<(Uid, Gid)>> {
    if variable("SUDO_UID").is_none() && variable("SUDO_GID").is_none() {
        return Ok(None);
    }
    let id_in = |name: &str| {
        let text = variable(name).unwrap_or_default();
        text.to_str().and_then(parse_id).with_context(|| {
            format!(
                "{name} is {text:?}, not a number: who called sudo? \
                 (--run-as tells whom the command runs as)"
            )
        })
    };
    let (uid, gid) = (Uid::from_raw(id_in("SUDO_UID")?), Gid::from_raw(id_in("SUDO_GID")?));
    Ok((!uid.is_root()).then_some((uid, gid)))
}

/// A user or group id: digits only. Not 2^32 - 1, which setresuid(2) takes for "as it is":
/// a command would stay root.
fn parse_id(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&id| is_number && id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called_by(uid: Option<&str>, gid: Option<&str>) -> Result<Option<(u32, u32)>> {
        let ids = who_called_sudo(|name| match name {
            "SUDO_UID" => uid.map(OsString::from),
            "SUDO_GID" => gid.map(OsString::from),
            _ => None,
        });
        ids.map(|ids| ids.map(|(uid, gid)| (uid.as_raw(), gid.as_raw())))
    }

    #[test]
    fn sudo_tells_who_called() {
        assert_eq!(called_by(Some("1000"), Some("100")).expect("numbers"), Some((1000, 100)));
        assert_eq!(called_by(Some("1000"), Some("0")).expect("numbers"), Some((1000, 0)));
        assert_eq!(called_by(Some("0"), Some("0")).expect("numbers"), None);
        assert_eq!(called_by(None, None).expect("no sudo"), None);
    }

    #[test]
    fn who_called_is_never_guessed() {
        let wrong = ["", "alice", "-1", "+7", " 7", "7 ", "0x7", "4294967295", "4294967296", "٧"];
        for text in wrong {
            called_by(Some(text), Some("7")).expect_err(text);
            let error = called_by(Some("7"), Some(text)).expect_err(text).to_string();
            assert!(error.starts_with("SUDO_GID is \""), "{error}");
        }
        called_by(Some("7"), None).expect_err("half of it");
        called_by(None, Some("7")).expect_err("half of it");
    }

    #[test]
    fn a_user_is_a_name_or_a_number() {
        let root = Identity::of_user("root").expect("everybody has one");
        assert_eq!((root.uid.as_raw(), root.name.as_deref()), (0, Some("root")));
        assert_eq!(Identity::of_user("0").expect("everybody has one"), root);
        for nobody in ["", "no such user", "-1", "4294967295", "1000.0"] {
            let error = Identity::of_user(nobody).expect_err(nobody).to_string();
            assert_eq!(error, format!("there is no user {nobody:?}"));
        }
    }

    fn variables(user: &Identity) -> Vec<String> {
        let shown = user.environment().into_iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={}", value.to_string_lossy()),
            None => format!("no {name}"),
        });
        shown.collect()
    }

    #[test]
    fn a_command_finds_its_user_in_the_environment() {
        let (uid, gid) = (Uid::from_raw(1000), Gid::from_raw(100));
        let mut user = Identity::without_account(uid, gid, Some("alice".into()));
        user.home = "/home/alice".into();
        user.shell = Some("/bin/zsh".into());
        let own = ["HOME=/home/alice", "LOGNAME=alice", "SHELL=/bin/zsh", "USER=alice"];
        assert_eq!(variables(&user)[..4], own);
        assert_eq!(variables(&user)[4..], OF_SUDO.map(|name| format!("no {name}")));
    }

    #[test]
    fn a_number_without_an_account_is_not_called_root() {
        let user = Identity::of_user("4026531839").expect("a number");
        assert_eq!((user.gid.as_raw(), user.groups.len()), (4_026_531_839, 0));
        assert_eq!(variables(&user)[..4], ["HOME=/", "no LOGNAME", "no SHELL", "no USER"]);
    }
}
