//! What every change must pass: counts that are the same on every machine. Times are printed
//! too, but nothing fails on them.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kernel_and_user_map::kernel::skel::KernelAndUserMapSkelBuilder;
use libbpf_rs::libbpf_sys::bpf_insn;
use libbpf_rs::skel::{OpenSkel as _, SkelBuilder as _};

use crate::contenders::us;
use crate::machine::storm;
use crate::processes::count_bpf_runs;
use crate::watcher::{Watcher, lines_of_storm};

/// The most instructions that a program may execute in one run, before libbpf and the kernel
/// adapt it to the machine: what the longest way through it took, and a few for other compilers. A third of
/// them is for what is followed, and for filters; elsewhere the kernel leaves these out, since a
/// constant says so.
const MOST_INSTRUCTIONS: [(&str, usize); 9] = [
    ("exec_tp_btf", 268),
    ("exit_tp_btf", 252),
    ("exec_tp", 285),
    ("exit_tp", 252),
    ("exec_tp_btf_2", 268),
    ("exit_tp_btf_2", 252),
    ("fork_tp_btf", 82),
    ("fork_tp_btf_2", 82),
    ("cgroup_made", 5),
];

/// bpf system calls an event: next key and lookup. What is more is the delete of 128 at once, and a
/// look at the loss counters and the end of each walk, once a read.
const MOST_BPF_CALLS: f64 = 2.05;

/// All system calls an event: beside bpf, writing (64 KiB at a time) and sleeping.
const MOST_CALLS: f64 = 2.1;

const STORM: u64 = 3000;

pub fn run() -> Result<()> {
    let mut failures = Vec::new();
    instructions(&mut failures)?;
    storms(&mut failures)?;
    idle(&mut failures)?;
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

fn instructions(failures: &mut Vec<String>) -> Result<()> {
    let mut object = MaybeUninit::uninit();
    let open_skel = KernelAndUserMapSkelBuilder::default().open(&mut object)?;
    for program in open_skel.open_object().progs() {
        let name = program.name().to_string_lossy();
        let most = longest_path(program.insns()).context("a loop")?;
        println!("{name}: {most} instructions at most");
        let bound = MOST_INSTRUCTIONS.iter().find(|(known, _)| *known == name);
        let bound = bound.with_context(|| format!("{name} has no bound"))?.1;
        if most > bound {
            failures
                .push(format!("{name} executes up to {most} instructions; the bound is {bound}"));
        }
    }
    Ok(())
}

/// Instructions on the longest way from the first to an exit; `None` where there is a loop.
fn longest_path(instructions: &[bpf_insn]) -> Option<usize> {
    // include/uapi/linux/bpf.h
    const JMP: u8 = 0x05;
    const JMP32: u8 = 0x06;
    const JA: u8 = 0x05;
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const LD_IMM64: u8 = 0x18; // takes the place of two

    // The compiler may lay blocks out in any order, so jumps backwards are no loops yet:
    // lengthen paths until nothing changes. A path longer than the program is a loop.
    let mut from = vec![0; instructions.len() + 2];
    loop {
        let mut changed = false;
        for (at, instruction) in instructions.iter().enumerate().rev() {
            let target = at.checked_add_signed(1 + isize::from(instruction.off));
            let target = || from.get(target?).copied();
            let rest = match instruction.code {
                EXIT => 0,
                LD_IMM64 => from[at + 2],
                JA => target()?,
                CALL => from[at + 1],
                code if matches!(code & 0x07, JMP | JMP32) => target()?.max(from[at + 1]),
                _ => from[at + 1],
            };
            changed |= from[at] != rest + 1;
            from[at] = rest + 1;
        }
        if from[0] > instructions.len() {
            return None;
        }
        if !changed {
            return Some(from[0]);
        }
    }
}

fn storms(failures: &mut Vec<String>) -> Result<()> {
    // Of a user that nothing is of: then the kernel refuses each process.
    for (what, options) in [("a process", &[][..]), ("one that a filter hides", &["-u", "54321"])] {
        let watcher = Watcher::start(&us(options))?;
        let counting = count_bpf_runs();
        let (ns, runs, cpu) = (watcher.kernel_ns()?, watcher.kernel_runs()?, watcher.cpu_ns()?);
        storm(STORM, 1);
        watcher.settle();
        // Other processes of the machine are seen too. Each makes four programs run once.
        let processes = (watcher.kernel_runs()? - runs) as f64 / 4.0;
        let kernel = (watcher.kernel_ns()? - ns) as f64 / processes;
        let cpu = (watcher.cpu_ns()? - cpu) as f64 / processes / 1e3;
        drop(counting);
        println!("{what}: {kernel:.0} ns in BPF programs, {cpu:.1} µs of CPU in user space");
        println!("peak memory: {:.1} MiB", watcher.peak_kib()? as f64 / 1024.0);
        watcher.stop()?;
    }

    let watcher = Watcher::start(&us(&[]))?;
    let pid = watcher.pids().next().context("it runs")?;
    let mut calls = Calls::of(pid, None)?;
    let mut bpf_calls = Calls::of(pid, Some(libc::SYS_bpf))?;
    let counting = count_bpf_runs();
    let runs = watcher.kernel_runs()?;
    storm(STORM, 1);
    watcher.settle();
    let (calls, bpf_calls) = (calls.count()?, bpf_calls.count()?);
    // Each event makes two programs run once.
    let events = (watcher.kernel_runs()? - runs) as f64 / 2.0;
    drop(counting);
    let printed = watcher.stop()?;
    ensure!(lines_of_storm(&printed) >= 2 * STORM, "events of the storm are missing");
    for (name, calls, bound) in
        [("bpf system", bpf_calls, MOST_BPF_CALLS), ("system", calls, MOST_CALLS)]
    {
        let per_event = calls as f64 / events;
        println!("an event: {per_event:.3} {name} calls");
        if per_event > bound {
            failures.push(format!("{per_event:.3} {name} calls an event; the bound is {bound}"));
        }
    }
    Ok(())
}

fn idle(failures: &mut Vec<String>) -> Result<()> {
    const READS: u64 = 10;
    const PERIOD: Duration = Duration::from_millis(20);
    let watcher = Watcher::start(&us(&["--period", &PERIOD.as_secs_f64().to_string()]))?;
    let pid = watcher.pids().next().context("it runs")?;
    let counting = count_bpf_runs();
    // Other processes of the machine may start and end: wait for a quiet moment.
    let mut calls = None;
    for _ in 0..100 {
        let runs = watcher.kernel_runs()?;
        sleep(4 * PERIOD); // until all that happened before is read
        let mut counter = Calls::of(pid, Some(libc::SYS_bpf))?;
        sleep(PERIOD * READS as u32);
        let counted = counter.count()?;
        if watcher.kernel_runs()? == runs {
            calls = Some(counted);
            break;
        }
    }
    drop(counting);
    watcher.stop()?;
    let calls = calls.context("processes start on this machine all the time")?;
    println!("idle: {calls} bpf system calls in {READS} reads");
    if calls > 0 {
        failures.push(format!("{calls} bpf system calls in {READS} reads that find nothing"));
    }
    Ok(())
}

/// Counts the system calls of a process with a perf event on each of its threads: unlike a
/// tracer, that does not slow it down.
struct Calls(Vec<File>);

impl Calls {
    /// All calls, or those with one number.
    fn of(pid: u32, number: Option<libc::c_long>) -> Result<Self> {
        let tracepoint = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
        let id = fs::read_to_string(tracepoint).context(tracepoint)?.trim().parse()?;
        let mut counters = Vec::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let tid = task?.file_name().to_string_lossy().parse()?;
            let counter = open_counter(id, tid).context("could not count system calls")?;
            if let Some(number) = number {
                let filter = format!("id == {number}\0");
                // SAFETY: the text ends with a NUL and lives as long as the call.
                let failed = unsafe {
                    libc::ioctl(counter.as_raw_fd(), PERF_EVENT_IOC_SET_FILTER, filter.as_ptr())
                };
                ensure!(failed == 0, "no filter: {}", io::Error::last_os_error());
            }
            counters.push(counter);
        }
        Ok(Self(counters))
    }

    fn count(&mut self) -> Result<u64> {
        let mut sum = 0;
        for counter in &mut self.0 {
            let mut bytes = [0; 8];
            counter.read_exact(&mut bytes)?;
            sum += u64::from_ne_bytes(bytes);
        }
        Ok(sum)
    }
}

/// `_IOW('$', 6, char *)` of include/uapi/linux/perf_event.h.
const PERF_EVENT_IOC_SET_FILTER: libc::Ioctl = 0x4008_2406;

/// The first version of struct perf_event_attr.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    config1: u64,
}

/// A counter of how often a thread passes a tracepoint.
fn open_counter(tracepoint: u64, tid: libc::pid_t) -> io::Result<File> {
    const PERF_TYPE_TRACEPOINT: u32 = 2;
    let attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttr>() as u32,
        config: tracepoint,
        ..Default::default()
    };
    let (any_cpu, no_group, close_on_exec) = (-1, -1, 8_u64);
    // SAFETY: `attr` has the size that it says, and lives as long as the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            tid,
            any_cpu,
            no_group,
            close_on_exec,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it, and nobody else knows of it.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}
