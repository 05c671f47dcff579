//! Compiles the BPF C programs into Rust skeletons: typed handles to their maps,
//! their programs and their structs, with the object file inside.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use libbpf_cargo::SkeletonBuilder;

/// Each source, and the skeleton in OUT_DIR that it becomes.
const SKELETONS: [(&str, &str); 2] = [
    ("src/bpf/kernel_and_user_map.bpf.c", "kernel_and_user_map.skel.rs"),
    ("examples/lesson/lesson.bpf.c", "lesson.skel.rs"),
];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=src/bpf");
    println!("cargo::rerun-if-changed=examples/lesson/lesson.bpf.c");
    println!("cargo::rerun-if-changed=vmlinux");

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
