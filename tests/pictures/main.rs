//! The pictures of `--save FILE.svg`, in a real browser. No BPF program is loaded.
//!
//! What is looked at stays in `target/tmp/pictures`, for people.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod browser;
mod builds;
mod looks;
mod places;
mod sizes;

use std::fs;
use std::path::PathBuf;

use kernel_and_user_map::process::loss::Loss;
use kernel_and_user_map::process::tree::Tree;
use kernel_and_user_map::process::wall_clock::WallClock;
use kernel_and_user_map::report::charset::Charset;
use kernel_and_user_map::report::closing_account::ClosingAccount;
use kernel_and_user_map::report::svg::Svg;
use kernel_and_user_map::report::{Begin, Output, TreeReport as _, Watched};

/// The picture of a tree, on a machine with eight CPUs.
pub fn picture(tree: &Tree) -> String {
    let (begin, loss) = (Begin::default(), Loss::default());
    let account =
        ClosingAccount { begin: tree.begin, end: tree.end, loss, ..ClosingAccount::default() };
    let watched = Watched { begin: &begin, account: &account, cpus: 8 };
    let mut bytes = Vec::new();
    let mut out = Output {
        to: &mut bytes,
        clock: WallClock::default(),
        window: None,
        charset: Charset::Utf8,
    };
    Svg.write(&mut out, tree, &watched).expect("memory");
    String::from_utf8(bytes).expect("UTF-8")
}

/// The picture of a tree as a file that stays.
pub fn save(name: &str, svg: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    fs::write(&path, svg).expect("a file");
    path
}
