//! The package for Fedora and its relatives. There is no root of one here: what it would do is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::install::files_below;
use crate::{FOLDER, NAME, made, run};

fn ask(args: &[&str]) -> String {
    run(Command::new("rpm").args(["-qp"]).args(args).arg(&made().rpm))
}

#[test]
fn it_says_what_it_is_and_needs() {
    let said = ask(&["--queryformat", "%{NAME} %{VERSION} %{LICENSE} %{ARCH}\n%{SUMMARY}\n"]);
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "{NAME} {version} BSD-2-Clause {}\n{}\n",
        std::env::consts::ARCH,
        env!("CARGO_PKG_DESCRIPTION")
    );
    assert_eq!(said, expected);
    let needs = ask(&["--requires"]);
    for library in ["libelf.so.1", "libz.so.1", "libc.so.6"] {
        assert!(needs.contains(library), "{needs}");
    }
    let checked = run(Command::new("rpm").args(["--checksig", "--nosignature"]).arg(&made().rpm));
    assert!(checked.ends_with(": digests OK\n"), "{checked}");
}

#[test]
fn what_it_holds_is_what_was_built() {
    let folder = Path::new(FOLDER).join("rpm");
    fs::create_dir_all(&folder).expect("a folder");
    let unpack = r#"rpm2cpio "$0" | cpio --extract --make-directories --quiet"#;
    run(Command::new("sh").args(["-c", unpack]).arg(&made().rpm).current_dir(&folder));
    let expected = [
        ("etc/logrotate.d/kernel_and_user_map", 0o644),
        ("usr/bin/kernel_and_user_map", 0o755),
        ("usr/lib/systemd/system/kernel_and_user_map.service", 0o644),
        ("usr/share/bash-completion/completions/kernel_and_user_map", 0o644),
        ("usr/share/doc/kernel_and_user_map/service.md", 0o644),
        ("usr/share/fish/vendor_completions.d/kernel_and_user_map.fish", 0o644),
        ("usr/share/licenses/kernel_and_user_map/LICENSE", 0o644),
        ("usr/share/man/man8/kernel_and_user_map.8", 0o644),
        ("usr/share/zsh/site-functions/_kernel_and_user_map", 0o644),
    ];
    let expected = expected.map(|(path, mode)| (path.to_owned(), mode));
    assert_eq!(files_below(&folder), BTreeMap::from(expected));
    assert_eq!(ask(&["--configfiles"]), "/etc/logrotate.d/kernel_and_user_map\n");
    for (path, here) in [
        ("usr/bin/kernel_and_user_map", made().built.clone()),
        (
            "usr/lib/systemd/system/kernel_and_user_map.service",
            "packaging/kernel_and_user_map.service".into(),
        ),
        ("etc/logrotate.d/kernel_and_user_map", "packaging/kernel_and_user_map.logrotate".into()),
    ] {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(here);
        let [packed, here] =
            [folder.join(path), here].map(|path| fs::read(path).expect("it is there"));
        assert!(packed == here, "{path}");
    }
}

#[test]
fn its_scripts_are_a_shells_and_do_nothing_where_there_is_no_systemd() {
    let scripts =
        ["PREUN", "POSTIN", "POSTUN"].map(|tag| ask(&["--queryformat", &format!("%{{{tag}}}")]));
    for script in scripts {
        assert!(script.contains("/run/systemd/system"), "{script}");
        for instances in ["0", "1"] {
            // A systemctl that is called here makes it fail.
            let script = script.replace("/run/systemd/system", "/nowhere");
            let mut shell = Command::new("/bin/sh");
            shell.args(["-euc", &script, "sh", instances]).env("PATH", "/nowhere");
            assert_eq!(run(&mut shell), "");
        }
    }
}
