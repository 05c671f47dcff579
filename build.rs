//! Compiles the BPF C programs into Rust skeletons: typed handles to their maps,
//! their programs and their structs, with the object file inside. Then it tells the compiler the
//! version with the commit.

#[path = "build/commit.rs"]
mod commit;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use libbpf_cargo::SkeletonBuilder;

/// Each source, and the skeleton in OUT_DIR that it becomes.
const SKELETONS: [(&str, &str); 3] = [
    ("src/bpf/kernel_and_user_map.bpf.c", "kernel_and_user_map.skel.rs"),
    ("examples/lesson/lesson.bpf.c", "lesson.skel.rs"),
    ("benches/compare/floor.bpf.c", "floor.skel.rs"),
];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=src/bpf");
    println!("cargo::rerun-if-changed=examples/lesson/lesson.bpf.c");
    println!("cargo::rerun-if-changed=benches/compare/floor.bpf.c");
    println!("cargo::rerun-if-changed=vmlinux");
    tell_version()?;

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    for (source, skeleton) in SKELETONS {
        SkeletonBuilder::new()
            .source(source)
            .clang_args(["-Ivmlinux", "-Wall", "-Wextra", "-Werror"])
            .build_and_generate(out_dir.join(skeleton))
            .with_context(|| {
                format!("{source} did not compile; `make` installs clang and the rest")
            })?;
    }
    Ok(())
}

/// For `--version`: a bug report with it says which sources it is about.
fn tell_version() -> Result<()> {
    println!("cargo::rerun-if-changed=build");
    let mut version = env::var("CARGO_PKG_VERSION").context("cargo sets it")?;
    if let Some(commit) = commit::commit_of(Path::new(".")) {
        version += &format!(" ({})", commit.hash);
        for file in commit.files {
            println!("cargo::rerun-if-changed={}", file.display());
        }
    }
    println!("cargo::rustc-env=VERSION_AND_COMMIT={version}");
    Ok(())
}
