/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What crosses the map. libbpf-cargo turns these structs into the Rust types
 * that user space decodes, so each layout stands here and nowhere else.
 */
#pragma once

#define COMM_SIZE 16	  /* TASK_COMM_LEN */
#define FILENAME_SIZE 128 /* longer paths are cut, and marked */
#define ARGS_SIZE 304	  /* longer command lines are cut, and marked */

enum event { EVENT_EXEC = 0, EVENT_EXIT = 1, EVENT_FORK = 2 /* never in the map */ };

/* Different for every event there ever is, and the same whichever hook computes it. */
struct process_key {
	__u64 start_time; /* ns, boot clock: with the pid, one process for ever */
	__u32 pid;	  /* thread group id */
	__u32 exec_id;	  /* the kernel adds 1 at each exec */
	enum event event;
	__u32 pad; /* a map compares keys byte by byte: always 0 */
};

/* What a process has used up in its life, over all its threads. */
struct process_usage {
	__u64 cpu_ns;  /* time on a CPU */
	__u64 max_rss; /* pages: the most memory it had at once */
	__u64 major_faults;
	__u64 read_bytes; /* from storage; NOT_COUNTED by some kernels */
	__u64 write_bytes;
};

/* The kernel was built without this account (CONFIG_TASK_IO_ACCOUNTING). */
#define NOT_COUNTED (~0ULL)

/*
 * One exec or one exit. It never changes once it is in the map. Bytes past filename_size and
 * args_read, and the fields of the other event, are left over from earlier records.
 */
struct process_info {
	__u64 time; /* ns, boot clock */
	__u64 cgroup_id;
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	__u32 wait_status;    /* exit: as wait(2) reports it */
	__u32 args_size;      /* exec: bytes of the whole argv, each argument with its NUL */
	__u32 args_read;      /* exec: bytes of it in args[] */
	__u32 filename_size;  /* exec: bytes in filename[], with the NUL */
	__u32 parent_exec_id; /* exit: like exec_id, of the parent by then */
	__u32 started_by;     /* pid: the parent at the fork, of a process that is followed */
	__u32 pad;
	struct process_usage usage; /* exit; at an exec only max_rss, of what ran before */
	__u8 comm[COMM_SIZE];
	__u8 parent_comm[COMM_SIZE];
	__u8 filename[FILENAME_SIZE];
	__u8 args[ARGS_SIZE];
};

/* Counted in the kernel, since the program was loaded. */
struct counters {
	__u64 inserted;
	__u64 dropped[2]; /* there was no room. [exec, exit] */
	__u64 unfollowed; /* likewise, for processes to follow */
};

_Static_assert(sizeof(struct process_key) == 24, "process_key has no hidden padding");
_Static_assert(sizeof(struct process_info) == 560, "process_info has no hidden padding");
