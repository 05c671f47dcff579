//! `make install` and `make uninstall`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{FOLDER, NAME, made, make, run_installed};

/// The files below a folder by their paths there, and their modes.
pub fn files_below(folder: &Path) -> BTreeMap<String, u32> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("text").to_owned();
        let metadata = path.symlink_metadata().expect("it is there");
        if metadata.is_dir() {
            let below = files_below(&path).into_iter();
            files.extend(below.map(|(path, mode)| (format!("{name}/{path}"), mode)));
        } else {
            files.insert(name, metadata.permissions().mode() & 0o7777);
        }
    }
    files
}

#[test]
fn it_installs_below_the_prefix_and_takes_all_away() {
    made(); // which clears the folder
    let image = Path::new(FOLDER).join("image");
    make(&["install"], Path::new("/opt/watch"), &image);
    let expected = [
        ("bin/", "", 0o755),
        ("lib/systemd/system/", ".service", 0o644),
        ("share/bash-completion/completions/", "", 0o644),
        ("share/doc/kernel_and_user_map/", ".logrotate", 0o644),
        ("share/fish/vendor_completions.d/", ".fish", 0o644),
        ("share/man/man8/", ".8", 0o644),
        ("share/zsh/site-functions/_", "", 0o644),
    ];
    let mut expected: BTreeMap<_, _> = expected
        .map(|(before, after, mode)| (format!("opt/watch/{before}{NAME}{after}"), mode))
        .into();
    for name in ["LICENSE", "service.md"] {
        expected.insert(format!("opt/watch/share/doc/{NAME}/{name}"), 0o644);
    }
    assert_eq!(files_below(&image), expected);

    let prefix = image.join("opt/watch");
    assert!(run_installed(&prefix, "--version").starts_with(NAME));
    let unit = prefix.join("lib/systemd/system").join(NAME).with_extension("service");
    let unit = fs::read_to_string(unit).expect("it is there");
    assert!(unit.contains("\nExecStart=/opt/watch/bin/kernel_and_user_map "), "{unit}");

    make(&["uninstall"], Path::new("/opt/watch"), &image);
    assert_eq!(files_below(&image), BTreeMap::new());
    assert!(!prefix.join("share/doc").join(NAME).exists(), "its own folder");
}
