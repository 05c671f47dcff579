//! Compiles the demo's BPF C into a Rust skeleton: typed handles to its map and its programs, with
//! the object file inside.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "lesson.bpf.c";
const KERNEL_TYPES: &str = "../../vmlinux";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={KERNEL_TYPES}");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    SkeletonBuilder::new()
        .source(SOURCE)
        .clang_args(["-I", KERNEL_TYPES, "-Wall", "-Wextra", "-Werror"])
        .reference_obj(true)
        .build_and_generate(out_dir.join("lesson.skel.rs"))
        .with_context(|| format!("{SOURCE} did not compile; `make` installs clang and the rest"))
}
