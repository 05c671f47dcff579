//! What is missing when the kernel refuses, in words that say what to do.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use anyhow::anyhow;
use libbpf_rs::{ErrorKind, PrintLevel, set_print};

use crate::system::host::kernel_version;
use crate::system::stderr;

/// The oldest kernel that has all that is used: BTF, `bpf_ktime_get_boot_ns`, `tp_btf`.
const OLDEST: (u32, u32) = (5, 10);

/// Where the kernel's types are; libbpf needs them to adapt the program (CO-RE).
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// libbpf's warnings, kept for the case that loading fails: what it tried and then did
/// without is of interest with `-vv` only.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps libbpf's warnings for [`explain`]. `verbose`: sends all its messages to stderr, too.
pub fn libbpf_messages(verbose: bool) {
    fn keep(level: PrintLevel, message: String) {
        if let (PrintLevel::Warn, Ok(mut warnings)) = (level, WARNINGS.lock()) {
            warnings.push(message);
        }
    }
    fn print_and_keep(level: PrintLevel, message: String) {
        stderr::print(&message);
        keep(level, message);
    }
    set_print(Some(if verbose {
        (PrintLevel::Debug, print_and_keep)
    } else {
        (PrintLevel::Warn, keep)
    }));
}

/// Whether `tp/` programs get a pointer to their task that they may follow
/// (`bpf_get_current_task_btf`, Linux 5.11). Where they do not, the kernel never skips their
/// `tp_btf/` twins, which then do the work alone.
pub fn has_typed_tp() -> bool {
    kernel_version().is_none_or(|version| version >= (5, 11))
}

/// Whether the kernel may skip a `tp_btf/` program: where the same program runs already on the
/// same CPU (Linux 6.1).
pub fn skips_tp_btf() -> bool {
    kernel_version().is_none_or(|version| version >= (6, 1))
}

/// Whether the kernel preempts a `tp_btf/` program (Linux 7.0). Then it may skip two of them at once:
/// below 64 busy parents, an emulated 7.3 did so for 10 of 4,096 events.
pub fn preempts_tp_btf() -> bool {
    kernel_version().is_none_or(|version| version >= (7, 0))
}

/// Says why the kernel refused, and what to do about it. Other errors stay as they are: those
/// of libbpf that come later have a context, which says what failed.
pub fn explain(error: anyhow::Error, max_entries: u32) -> anyhow::Error {
    let refusal = error.chain().next().and_then(|first| first.downcast_ref::<libbpf_rs::Error>());
    let Some(refusal) = refusal else { return error };
    let warnings = WARNINGS.lock().map(|warnings| warnings.clone()).unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match diagnose(refusal.kind(), max_entries, &warnings, &Machine::look(&status)) {
        Some(advice) => anyhow!("{advice} ({refusal})"),
        None => {
            let last = warnings.iter().rev().find(|line| !line.trim().is_empty());
            let detail = last.map_or(String::new(), |line| format!("; {}", line.trim()));
            anyhow!(
                "the kernel refused the BPF program: {refusal}{detail} (-vv shows all messages)"
            )
        }
    }
}

/// What bears on whether a BPF program loads.
#[derive(Debug)]
struct Machine {
    version: Option<(u32, u32)>,
    has_btf: bool,
    capable: bool,
    seccomp: bool,
    lockdown: bool,
}

impl Machine {
    fn look(status: &str) -> Self {
        let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        Self {
            version: kernel_version(),
            has_btf: Path::new(BTF).exists(),
            capable: is_capable(status),
            seccomp: field(status, "Seccomp:").is_some_and(|mode| mode != "0"),
            lockdown: lockdown.contains("[confidentiality]"),
        }
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Whether `/proc/self/status` shows CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN (capability.h).
fn is_capable(status: &str) -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON_AND_BPF: u64 = (1 << 38) | (1 << 39);
    let effective = field(status, "CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    effective.is_none_or(|caps| caps & SYS_ADMIN != 0 || caps & PERFMON_AND_BPF == PERFMON_AND_BPF)
}

fn diagnose(
    error: ErrorKind,
    entries: u32,
    warnings: &[String],
    machine: &Machine,
) -> Option<String> {
    if let Some((major, minor)) = machine.version.filter(|&version| version < OLDEST) {
        return Some(format!(
            "this kernel is Linux {major}.{minor}; the program needs {}.{} or later",
            OLDEST.0, OLDEST.1
        ));
    }
    if !machine.capable {
        return Some(
            "loading BPF programs needs root, or CAP_BPF and CAP_PERFMON: start it with sudo"
                .into(),
        );
    }
    if !machine.has_btf {
        return Some(format!(
            "this kernel does not describe its types ({BTF} is missing): it must be built with \
             CONFIG_DEBUG_INFO_BTF=y, and sysfs mounted on /sys"
        ));
    }
    let map_refused = warnings
        .iter()
        .any(|line| line.contains("failed to create") && line.contains("process_map"));
    match error {
        ErrorKind::TooBig | ErrorKind::OutOfMemory | ErrorKind::InvalidInput if map_refused => {
            Some(format!(
                "the kernel has no room for a process_map of {entries} records: use a smaller \
                 --max-entries"
            ))
        }
        // Before Linux 5.11 maps count against the limit of locked memory.
        ErrorKind::PermissionDenied if map_refused && machine.version < Some((5, 11)) => {
            Some(format!(
                "a process_map of {entries} records exceeds the limit of locked memory: raise it \
                 (ulimit -l unlimited) or use a smaller --max-entries"
            ))
        }
        ErrorKind::PermissionDenied if machine.lockdown => Some(
            "kernel lockdown is in confidentiality mode, which forbids BPF programs to read \
             kernel memory: boot with lockdown=integrity or none"
                .into(),
        ),
        ErrorKind::PermissionDenied if machine.seccomp => Some(
            "the bpf system call is forbidden here, probably by the seccomp filter of a container: \
             allow bpf and perf_event_open, or start it on the host"
                .into(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Machine = Machine {
        version: Some((6, 12)),
        has_btf: true,
        capable: true,
        seccomp: false,
        lockdown: false,
    };

    fn advice(error: ErrorKind, warning: &str, machine: &Machine) -> String {
        diagnose(error, 16384, &[warning.to_owned()], machine).unwrap_or_default()
    }

    #[test]
    fn each_thing_missing_is_named() {
        let denied = ErrorKind::PermissionDenied;
        let map = "libbpf: map 'process_map': failed to create: -E2BIG";
        let old = Machine { version: Some((4, 19)), ..FINE };
        assert!(advice(denied, "", &old).contains("needs 5.10 or later"));
        let user = Machine { capable: false, ..FINE };
        assert!(advice(denied, "", &user).contains("CAP_BPF and CAP_PERFMON"));
        let without_btf = Machine { has_btf: false, ..FINE };
        assert!(advice(ErrorKind::NotFound, "", &without_btf).contains(BTF));
        assert!(advice(ErrorKind::TooBig, map, &FINE).contains("--max-entries"));
        let memlock = Machine { version: Some((5, 10)), ..FINE };
        assert!(advice(denied, map, &memlock).contains("ulimit -l"));
        assert!(advice(denied, "", &Machine { lockdown: true, ..FINE }).contains("lockdown"));
        assert!(advice(denied, "", &Machine { seccomp: true, ..FINE }).contains("seccomp"));
        assert_eq!(advice(denied, "", &FINE), "");
    }

    #[test]
    fn capabilities_are_read_as_the_kernel_prints_them() {
        assert!(is_capable("CapEff:\t000001ffffffffff\n"));
        assert!(is_capable("CapEff:\t000000c000000000\n"));
        assert!(!is_capable("CapEff:\t0000008000000000\n"));
        assert!(!is_capable("CapEff:\t0000000000000000\n"));
    }
}
