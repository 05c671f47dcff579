//! Who the program goes on as, once it needs root's rights no more.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use kernel_and_user_map::kernel::privileges::{Duties, drop_all};
use kernel_and_user_map::system::identity::{Identity, become_user};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, ROOT, chown, setresuid};

use crate::support::{
    ALICE, BOB, Child, DEVELOPERS, command_of, folder_of, outcome, replace, user,
};

pub fn who_only_prints_is_nobody() {
    let alice = user("alice");
    let child = Child::that(|| {
        let duties = Duties { caller: Some(alice.clone()), ..Duties::default() };
        drop_all(&duties, true).map(|()| String::new())
    });
    let own = (0xF000_0000 + i64::from(child.pid.as_raw())).to_string();
    assert_eq!(child.status("Uid"), [own.as_str(); 4].join(" "));
    assert_eq!(child.status("Groups"), "");
    assert!(child.said.contains(&format!("now uid {own}, with ")), "{}", child.said);
    child.assert_has_no_privileges();
}

pub fn for_the_caller_it_is_the_caller() {
    let alice = user("alice");
    let (own, shared) = (folder_of(ALICE, 0o700), folder_of(0, 0o770));
    chown(shared.path(), None, Some(Gid::from_raw(DEVELOPERS))).expect("as root");
    let command = command_of("alice");
    let files = [own.path().join("build.svg"), shared.path().join("build.svg")];
    let child = Child::that(|| {
        let duties =
            Duties { caller: Some(alice.clone()), command: Some(alice.uid), files: files.to_vec() };
        drop_all(&duties, true)?;
        let mut said: Vec<_> = files.iter().map(|file| outcome(replace(file))).collect();
        said.push(outcome(kill(command.pid, Signal::SIGSTOP)));
        Ok(said.join(", "))
    });
    assert!(child.said.ends_with("ok, ok, ok"), "{}", child.said);
    assert!(child.said.contains("now uid 1000, with "), "{}", child.said);
    assert_eq!(child.status("Uid"), "1000 1000 1000 1000");
    assert_eq!(child.status("Gid"), "100 100 100 100");
    assert_eq!(child.status("Groups"), "100 2000");
    child.assert_has_no_privileges();
    for file in files {
        let file = fs::metadata(file).expect("it was written");
        assert_eq!((file.uid(), file.gid()), (ALICE, 100));
    }
}

pub fn for_the_caller_it_signals_anothers_command() {
    let alice = user("alice");
    let own = folder_of(ALICE, 0o700);
    let [command, stranger] = ["bob", "root"].map(command_of);
    let files = [own.path().join("build.svg")];
    let child = Child::that(|| {
        let duties = Duties {
            caller: Some(alice.clone()),
            command: Some(BOB.into()),
            files: files.to_vec(),
        };
        drop_all(&duties, true)?;
        let written = outcome(replace(&files[0]));
        let killed = [&command, &stranger].map(|it| outcome(kill(it.pid, Signal::SIGTERM)));
        Ok([written].into_iter().chain(killed).collect::<Vec<_>>().join(", "))
    });
    assert!(child.said.ends_with("ok, ok, EPERM: Operation not permitted"), "{}", child.said);
    assert!(child.said.contains("now uid 1000, with the real uid 1001 to"), "{}", child.said);
    assert_eq!(child.status("Uid"), "1001 1000 1000 1000");
    child.assert_has_no_privileges();
    assert_eq!(fs::metadata(&files[0]).expect("it was written").uid(), ALICE);
}

pub fn for_the_caller_it_signals_roots_command() {
    let alice = user("alice");
    let (own, roots) = (folder_of(ALICE, 0o700), folder_of(0, 0o755));
    let command = command_of("root");
    let files = [own.path().join("build.svg")];
    let child = Child::that(|| {
        let duties =
            Duties { caller: Some(alice.clone()), command: Some(ROOT), files: files.to_vec() };
        drop_all(&duties, false)?;
        let mut said = vec![outcome(replace(&files[0])), outcome(kill(command.pid, None))];
        // What somebody would do who has taken it over.
        said.push(outcome(setresuid(ROOT, ROOT, ROOT)));
        said.push(outcome(replace(&roots.path().join("other"))));
        Ok(said.join(", "))
    });
    assert_eq!(child.said, format!("ok, ok, ok, {}", unless_landlock("ok")));
    assert_eq!(child.status("Uid"), "0 0 0 0");
    child.assert_has_no_privileges();
}

/// What writing elsewhere comes to.
fn unless_landlock(otherwise: &str) -> String {
    // SAFETY: asks for the version; there is no structure to be read.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, 1_u32)
    };
    if version > 0 {
        io::Error::from_raw_os_error(libc::EACCES).to_string()
    } else {
        otherwise.into()
    }
}

pub fn root_writes_its_files_and_no_others() {
    let [logs, other] = [(); 2].map(|()| folder_of(0, 0o755));
    let files = [logs.path().join("today.log")];
    fs::write(other.path().join("there"), "old\n").expect("as root");
    let child = Child::that(|| {
        let mut open = File::create(other.path().join("open"))?;
        drop_all(&Duties { files: files.to_vec(), ..Duties::default() }, true)?;
        let elsewhere = [
            outcome(replace(&other.path().join("new"))),
            outcome(File::options().append(true).open(other.path().join("there"))),
            outcome(fs::remove_file(other.path().join("there"))),
        ];
        assert_eq!(elsewhere, [(); 3].map(|()| unless_landlock("ok")));
        // Log rotation, and what the program reads.
        replace(&files[0])?;
        fs::rename(&files[0], logs.path().join("yesterday.log"))?;
        File::options().append(true).create(true).open(&files[0])?.write_all(b"more\n")?;
        fs::write(&files[0], "shorter")?;
        open.write_all(b"was open")?;
        fs::read("/proc/1/status")?;
        fs::read_dir("/sys/fs/cgroup").map(Iterator::count)?;
        fs::read("/etc/passwd")?;
        Ok("done".into())
    });
    let limit = unless_landlock("").is_empty();
    let limit = if limit {
        "writes where root may".into()
    } else {
        format!("writes only below {:?}", logs.path())
    };
    assert!(
        child.said.contains("now uid 0, with ") && child.said.contains(&limit),
        "{}",
        child.said
    );
    assert!(child.said.ends_with("done"), "{}", child.said);
    assert_eq!(child.status("Uid"), "0 0 0 0");
    child.assert_has_no_privileges();
}

pub fn root_writes_a_device_or_a_pipe_and_not_beside_it() {
    // What a child says on stderr goes to a pipe.
    let files = ["/dev/null", "/proc/self/fd/2"].map(PathBuf::from);
    let child = Child::that(|| {
        drop_all(&Duties { files: files.to_vec(), ..Duties::default() }, false)?;
        for file in &files {
            File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .open(file)?
                .write_all(b"ok, ")?;
        }
        Ok(outcome(File::options().write(true).open("/dev/zero")))
    });
    assert_eq!(child.said, format!("ok, {}", unless_landlock("ok")));
}

pub fn root_signals_anothers_command() {
    let [command, stranger] = ["bob", "alice"].map(command_of);
    let child = Child::that(|| {
        drop_all(&Duties { command: Some(BOB.into()), ..Duties::default() }, true)?;
        let killed = [&command, &stranger].map(|it| outcome(kill(it.pid, Signal::SIGTERM)));
        Ok(killed.join(", "))
    });
    assert!(child.said.ends_with("ok, EPERM: Operation not permitted"), "{}", child.said);
    assert_eq!(child.status("Uid"), "1001 0 0 0");
    child.assert_has_no_privileges();
    // The command's user may signal it, too, but not look into it.
    let bob = user("bob");
    let pid = child.pid;
    let of_bob = Child::that(|| {
        become_user(Some(&bob))?;
        Ok(format!(
            "{}, {}",
            outcome(kill(pid, None)),
            outcome(fs::read(format!("/proc/{pid}/environ")))
        ))
    });
    assert_eq!(of_bob.said, "ok, Permission denied (os error 13)");
}

/// From now on the kernel has no Landlock, as before Linux 5.13.
fn forbid_landlock() -> Result<()> {
    let statement = |code: u32, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let landlock = libc::SYS_landlock_create_ruleset as u32;
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0), // the system call's number
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, landlock)
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its filter live as long as the call.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    Errno::result(result).context("as root")?;
    Ok(())
}

pub fn root_goes_on_without_landlock() {
    let [logs, other] = [(); 2].map(|()| folder_of(0, 0o755));
    let files = [logs.path().join("today.log")];
    let child = Child::that(|| {
        forbid_landlock()?;
        drop_all(&Duties { files: files.to_vec(), ..Duties::default() }, true)?;
        replace(&files[0])?;
        Ok(outcome(replace(&other.path().join("other"))))
    });
    let limit = ", writes where root may (Landlock is not known here), and ";
    assert!(child.said.contains(limit) && child.said.ends_with("ok"), "{}", child.said);
    child.assert_has_no_privileges();
}

pub fn a_file_out_of_reach_is_told_at_once() {
    let (alice, roots, alices) = (user("alice"), folder_of(0, 0o755), folder_of(ALICE, 0o700));
    let tried = |caller: Option<&Identity>, folder: &Path| {
        let files = [folder.join("build.svg")];
        let child = Child::that(|| {
            drop_all(
                &Duties { caller: caller.cloned(), command: None, files: files.to_vec() },
                false,
            )?;
            Ok("ok".into())
        });
        child.said.replace(&files[0].display().to_string(), "FILE")
    };
    let refused = |uid: u32| {
        let error = "could not write FILE: Permission denied";
        format!("error: {error} (as uid {uid}, without root's rights)")
    };
    assert_eq!(tried(Some(&alice), roots.path()), refused(ALICE));
    // Without CAP_DAC_OVERRIDE, root is a user like others.
    assert_eq!(tried(None, alices.path()), refused(0));
    assert_eq!(tried(Some(&alice), alices.path()), "ok");
}
