// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lesson 5, the kernel half: two tracepoints write what they see into a hash map.
 *
 * A record is inserted once and never touched again here; user space reads it and deletes
 * it. So neither side ever waits for the other.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "kernel_and_user_map.h"
/* What makes it hold on every kernel, and filters. A first reading may skip these four. */
#include "once.bpf.h"
#include "process.bpf.h"
#include "wakeup.bpf.h"
#include "wanted.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The bridge: an exec or an exit is one element. Preallocated (a hash map's default), so
 * inserting takes an element from a free list and can't fail for want of memory in the
 * middle of an exec. User space sets max_entries before the program is loaded.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct process_key);
	__type(value, struct process_info);
} process_map SEC(".maps");

/* In .bss, which user space maps into its memory: reading them takes no system call. */
struct counters counters;

/* Only what happens from begin on, and before end, is recorded. User space sets both. */
__u64 watch_begin, watch_end;

/*
 * Where a record is built: the BPF stack has 512 bytes. Each hook has its own place, since
 * another hook may preempt it on the same CPU (but not itself: the kernel skips it then).
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOOKS);
	__type(key, __u32);
	__type(value, struct process_info);
} record_buffers SEC(".maps");

static int record_exec(struct task_struct *task, const void *filename, __u32 filename_size,
		       enum hook hook);
static int record_exit(struct task_struct *task, __u64 group_dead, enum hook hook);

/* The hooks of the lesson. They get the tracepoint's event as tracefs describes it. */

SEC("tp/sched/sched_process_exec")
int exec_tp(struct trace_event_raw_sched_process_exec *ctx)
{
	/* The halves of a __data_loc: the string's size, and its offset in the event. */
	__u32 size = ctx->__data_loc_filename >> 16, offset = ctx->__data_loc_filename & 0xffff;

	return record_exec(bpf_get_current_task_btf(), (void *)ctx + offset, size, EXEC_TP);
}

SEC("tp/sched/sched_process_exit")
int exit_tp(struct trace_event_raw_sched_process_exit *ctx)
{
	return record_exit(bpf_get_current_task_btf(), has_group_dead() ? ctx->group_dead : 0,
			   EXIT_TP);
}

/* Their twins (once.bpf.h says why). They get what the kernel's source gives to the tracepoint. */

SEC("tp_btf/sched_process_exec")
int exec_tp_btf(__u64 *args /* task, old_pid, bprm */)
{
	struct linux_binprm *bprm = (void *)args[2];

	return record_exec((void *)args[0], bprm->filename, 0, EXEC_TP_BTF);
}

SEC("tp_btf/sched_process_exit")
int exit_tp_btf(__u64 *args /* task, group_dead */)
{
	return record_exit((void *)args[0], has_group_dead() ? args[1] : 0, EXIT_TP_BTF);
}

#include "second.bpf.h" /* twins of these two, where the first two can't be attached */
#include "follow.bpf.h" /* only a command and what it starts, and how the kernel knows */

/*
 * Begins a record: makes the key, and fills in what both events have. `leader` is the main
 * thread (an exec makes its caller that). Its pointers are typed: the verifier lets C follow
 * them, and CO-RE finds each member. NULL if nobody wants the event, or its twin was first.
 */
static __always_inline struct process_info *begin(struct task_struct *leader,
						  struct task_struct *parent, enum event event,
						  struct process_key *key, enum hook hook)
{
	__u32 slot = hook, started_by;
	struct process_info *info;
	__u64 ids;

	key->start_time = leader->start_boottime;
	key->pid = leader->tgid;
	key->exec_id = leader->self_exec_id;
	key->event = event;
	key->pad = 0;

	if (!is_wanted(key->pid) || !is_followed(key->pid, key->start_time, &started_by) ||
	    is_settled(key) || is_refused(leader, key))
		return NULL;
	info = bpf_map_lookup_elem(&record_buffers, &slot);
	if (!info)
		return NULL; /* for the verifier: an array always has its slots */

	ids = bpf_get_current_uid_gid();
	info->uid = ids;
	info->gid = ids >> 32;
	info->cgroup_id = bpf_get_current_cgroup_id();
	info->ppid = parent->tgid;
	info->started_by = started_by;
	/* The main threads' names: the thread that runs this may have another, or that forked. */
	copy_name(info->comm, leader);
	copy_name(info->parent_comm, parent->group_leader);
	return info;
}

/* Ends a record: puts it into the map, or counts that there was no room. */
static __always_inline int insert(const struct process_key *key, struct process_info *info)
{
	int err; /* not long: before Linux 6.4 a helper's error is not sign-extended */

	/* As late as can be: user space waits for older records, but not for long. */
	info->time = bpf_ktime_get_boot_ns();
	if (info->time < watch_begin || info->time >= watch_end)
		return 0;
	err = bpf_map_update_elem(&process_map, key, info, BPF_NOEXIST);
	if (!err) {
		__sync_fetch_and_add(&counters.inserted, 1);
		wake_up_at(counters.inserted);
	} else if (err != -EEXIST) { /* that is: the twin was first */
		/* & 1 for the verifier: up to 6.12 it trusts no memory that a helper was given */
		__sync_fetch_and_add(&counters.dropped[key->event & 1], 1);
	}
	settle(key);
	return 0;
}

/* An exec has succeeded: the current task already runs the new program. */
static __always_inline int record_exec(struct task_struct *task, const void *filename,
				       __u32 filename_size, enum hook hook)
{
	struct mm_struct *mm = task->mm;
	struct process_key key;
	struct process_info *info;
	__u64 size;
	long len;

	info = begin(task, task->real_parent, EVENT_EXEC, &key, hook);
	if (!info || !mm) /* mm for the verifier: a program that runs has its memory */
		return 0;

	/* What ran in the process until now may have had more memory than the new program. */
	info->usage.max_rss = task->signal->maxrss;

	copy_filename(info, filename, filename_size);

	/* The kernel has just written argv, one string after the other, on the new stack. */
	size = mm->arg_end - mm->arg_start;
	info->args_size = size;
	keep_long_args(&key, (void *)mm->arg_start, size, hook);
	if (size > ARGS_SIZE)
		size = ARGS_SIZE;
	len = bpf_probe_read_user(info->args, size, (void *)mm->arg_start);
	info->args_read = len ? 0 : size;

	return insert(&key, info);
}

/* A thread has ended. Its process has, too, when it was the last one. */
static __always_inline int record_exit(struct task_struct *task, __u64 group_dead, enum hook hook)
{
	struct task_struct *leader = task->group_leader, *parent = leader->real_parent;
	struct signal_struct *signal = task->signal;
	struct process_key key;
	struct process_info *info;

	if (!process_has_ended(task, leader, signal, group_dead))
		return 0;
	info = begin(leader, parent, EVENT_EXIT, &key, hook);
	if (!info)
		return 0;
	info->wait_status = wait_status_of(leader, signal);
	info->parent_exec_id = parent->self_exec_id;
	sum_up(&info->usage, task, leader, signal);
	unfollow(key.pid);
	return insert(&key, info);
}
