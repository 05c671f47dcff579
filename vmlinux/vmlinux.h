/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF program needs to know of the kernel: fixed-width types, a few
 * constants, and the kernel structs cut down to the fields that are read.
 *
 * Written by hand and the same for every architecture. Offsets and sizes here
 * mean nothing: preserve_access_index makes each access a CO-RE relocation, and
 * libbpf puts in the running kernel's offset when the program is loaded.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;

/* Only bpf_helper_defs.h uses these three. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

typedef _Bool bool;
enum { false = 0, true = 1 };

/* uapi/linux/bpf.h */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_RB_FORCE_WAKEUP = 1 << 1 };
struct bpf_pidns_info {
	__u32 pid;
	__u32 tgid;
};

/* uapi/asm-generic/errno-base.h */
enum { EEXIST = 17 };

/* include/linux/sched/signal.h */
enum { SIGNAL_GROUP_EXIT = 0x00000004 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
};

struct task_io_accounting {
	__u64 read_bytes;
	__u64 write_bytes;
};

/* What the threads that are gone have left behind, and what all of them share. */
struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
	unsigned long maj_flt;
	unsigned long maxrss;
	struct task_io_accounting ioac;
	unsigned long long sum_sched_runtime;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct task_struct {
	struct sched_entity se;
	struct mm_struct *mm;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
	unsigned long maj_flt;
	struct signal_struct *signal;
	__u64 parent_exec_id;
	__u64 self_exec_id;
	struct task_io_accounting ioac;
};

struct linux_binprm {
	const char *filename;
};

struct trace_event_raw_sched_process_exec {
	__u32 __data_loc_filename;
};

struct trace_event_raw_sched_process_exit {
	bool group_dead;
};

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
