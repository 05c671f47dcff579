//! Who the command runs as.

use std::env;

use caps::{CapSet, Capability};
use kernel_and_user_map::system::identity::{Identity, become_user};
use nix::unistd::{ROOT, Uid, setresuid};

use crate::support::{BOB, Child, command_of, user};

/// What the program finds out, as root, with these variables.
fn caller_with(variables: &[(&str, &str)]) -> String {
    let child = Child::that(|| {
        // SAFETY: a process with one thread.
        variables.iter().for_each(|(name, value)| unsafe { env::set_var(name, value) });
        Ok(match Identity::of_caller()? {
            None => "nobody".into(),
            Some(it) => format!("{:?} {:?} {:?}", it.uid, it.gid, it.groups),
        })
    });
    child.said.clone()
}

pub fn the_caller_of_sudo_is_known_with_all_groups() {
    let sudo =
        |uid, gid| caller_with(&[("SUDO_UID", uid), ("SUDO_GID", gid), ("SUDO_USER", "bob")]);
    assert_eq!(sudo("1000", "100"), "Uid(1000) Gid(100) [Gid(100), Gid(2000)]");
    assert_eq!(sudo("4242", "42"), "Uid(4242) Gid(42) []");
}

pub fn root_is_nobodys_caller() {
    assert_eq!(caller_with(&[]), "nobody");
    assert_eq!(caller_with(&[("SUDO_UID", "0"), ("SUDO_GID", "0")]), "nobody");
    let said = caller_with(&[("SUDO_UID", "4294967295"), ("SUDO_GID", "100")]);
    assert!(said.starts_with("error: SUDO_UID is"), "{said}");
}

pub fn a_set_user_id_program_believes_nobody() {
    let child = Child::that(|| {
        setresuid(Uid::from_raw(BOB), ROOT, ROOT)?;
        Identity::of_caller().map(|it| format!("{it:?}"))
    });
    assert!(child.said.starts_with("error: set-user-ID"), "{}", child.said);
}

pub fn a_command_has_its_users_ids_and_no_more() {
    let command = command_of("alice");
    assert_eq!(command.said, "");
    assert_eq!(command.status("Uid"), "1000 1000 1000 1000");
    assert_eq!(command.status("Gid"), "100 100 100 100");
    assert_eq!(command.status("Groups"), "100 2000");
    assert_eq!(command.status("CapEff"), "0000000000000000");
    // It may do what the user may, sudo for one.
    assert_eq!(command.status("NoNewPrivs"), "0");
    let stays = Child::that(|| {
        for set in [CapSet::Inheritable, CapSet::Ambient] {
            caps::raise(None, set, Capability::CAP_PERFMON)?;
        }
        become_user(None).map(|()| String::new())
    });
    assert_eq!((stays.said.as_str(), stays.status("CapAmb").as_str()), ("", "0000000000000000"));
    assert_eq!(stays.status("Uid"), "0 0 0 0");
}

pub fn without_root_nobody_becomes_another() {
    let (alice, bob) = (user("alice"), user("bob"));
    let child = Child::that(|| {
        become_user(Some(&alice))?;
        become_user(Some(&bob)).map(|()| String::new())
    });
    assert_eq!(child.said, "error: setgroups for uid 1001: EPERM: Operation not permitted");
    assert_eq!(child.status("Uid"), "1000 1000 1000 1000");
}
