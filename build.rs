//! Compiles the BPF C program into a Rust skeleton: typed handles to its maps,
//! its programs and its structs, with the object file inside.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "src/bpf/kernel_and_user_map.bpf.c";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=src/bpf");
    println!("cargo::rerun-if-changed=vmlinux");

    let out_dir = env::var_os("OUT_DIR").context("cargo sets OUT_DIR for build scripts")?;
    SkeletonBuilder::new()
        .source(SOURCE)
        .clang_args(["-Ivmlinux", "-Wall", "-Wextra", "-Werror"])
        .build_and_generate(PathBuf::from(out_dir).join("kernel_and_user_map.skel.rs"))
        .with_context(|| format!("{SOURCE} did not compile; `make` installs clang and the rest"))
}
