/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Only a command, and all that it starts (-- COMMAND, --follow). A first reading may skip this.
 *
 * A process is in `followed` as long as it lives. Walking up real_parent would not do: who
 * outlives its parent gets another.
 */
#pragma once

/* In .rodata, set before the program is loaded. If 0, every process is recorded. */
const volatile __u32 only_followed = 0;

struct followed_process {
	/* ns, boot clock: then a pid that is used again is another process. Rounded down to a tick
	 * where user space has it from /proc. */
	__u64 start_time;
	__u32 started_by; /* pid; 0 where the following begins */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* user space sets it before the program is loaded */
	__type(key, __u32);	/* pid */
	__type(value, struct followed_process);
} followed SEC(".maps");

/*
 * User space, while it starts the command: the child that it has then is followed. The pid is
 * that in its pid namespace, which the other two name: a container knows no other.
 */
struct starter {
	__u64 device;
	__u64 inode;
	__u32 pid; /* 0: nobody */
} starter;

#include "long_args.bpf.h"

#define TICK_NS 10000000 /* of the clock in /proc: USER_HZ is 100 everywhere */

/* Whether a process is followed; its starter, if so. */
static __always_inline bool is_followed(__u32 pid, __u64 start_time, __u32 *started_by)
{
	struct followed_process *process;

	*started_by = 0;
	if (!only_followed)
		return true;
	process = bpf_map_lookup_elem(&followed, &pid);
	if (!process || start_time - process->start_time >= TICK_NS)
		return false;
	*started_by = process->started_by;
	return true;
}

static __always_inline void unfollow(__u32 pid)
{
	if (only_followed)
		bpf_map_delete_elem(&followed, &pid);
}

static __always_inline bool is_starter(void)
{
	struct bpf_pidns_info ids;

	return starter.pid &&
	       !bpf_get_ns_current_pid_tgid(starter.device, starter.inode, &ids, sizeof(ids)) &&
	       ids.tgid == starter.pid;
}

/* `parent` has started `child`, which has not run yet. */
static __always_inline int follow_child(struct task_struct *parent, struct task_struct *child)
{
	struct followed_process process = { .start_time = child->start_boottime };
	struct process_key key = { .start_time = child->start_boottime, .event = EVENT_FORK };
	__u32 started_by;

	key.pid = child->tgid;
	if (child->pid != child->tgid || is_settled(&key)) /* a thread; or the twin was first */
		return 0;
	if (is_followed(parent->tgid, parent->group_leader->start_boottime, &started_by))
		process.started_by = parent->tgid;
	else if (!is_starter())
		return 0;
	if (bpf_map_update_elem(&followed, &key.pid, &process, BPF_ANY))
		__sync_fetch_and_add(&counters.unfollowed, 1);
	settle(&key);
	return 0;
}

/* Loaded only when something is followed. Two, since two programs have two guards (once.bpf.h). */

SEC("tp_btf/sched_process_fork")
int fork_tp_btf(__u64 *args /* parent, child */)
{
	return follow_child((void *)args[0], (void *)args[1]);
}

SEC("tp_btf/sched_process_fork")
int fork_tp_btf_2(__u64 *args /* parent, child */)
{
	return follow_child((void *)args[0], (void *)args[1]);
}
