//! Compiles the BPF C program into a Rust skeleton: typed handles to its maps, its programs and its
//! structs, with the object file inside. Then it tells the compiler the version with the commit.

#[path = "build/commit.rs"]
mod commit;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "src/bpf/kernel_and_user_map.bpf.c";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=src/bpf");
    println!("cargo::rerun-if-changed=vmlinux");
    tell_version()?;

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    SkeletonBuilder::new()
        .source(SOURCE)
        .clang_args(["-Ivmlinux", "-Wall", "-Wextra", "-Werror"])
        .reference_obj(true) // 34,000 bytes as one file, and not as 34,000 numbers to parse
        .build_and_generate(out_dir.join("kernel_and_user_map.skel.rs"))
        .with_context(|| format!("{SOURCE} did not compile; `make` installs clang and the rest"))
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
