// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half: two tracepoints write what they see into a hash map.
 *
 * A record is inserted once and never touched again here; user space reads and
 * deletes it. So neither side ever waits for the other.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "kernel_and_user_map.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The mailbox. Preallocated (a hash map's default): inserting takes an element
 * from a free list and can't fail for want of memory in the middle of an exec.
 * User space sets max_entries before the program is loaded.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct process_key);
	__type(value, struct process_info);
} process_map SEC(".maps");

/*
 * Two hooks stand on each tracepoint, since the kernel silently skips a BPF
 * program in some situations, and not both kinds in the same ones: a tp/ program
 * while a map system call runs on its CPU, a tp_btf/ program while the same
 * program runs on its CPU. Whichever runs first inserts; the other sees it.
 */
enum hook {
	EXEC_TP,
	EXEC_TP_BTF,
	EXIT_TP,
	EXIT_TP_BTF,
	HOOKS,
};

static __always_inline enum event event_of(enum hook hook)
{
	return hook == EXEC_TP || hook == EXEC_TP_BTF ? EVENT_EXEC : EVENT_EXIT;
}

static __always_inline enum hook twin_of(enum hook hook)
{
	return hook ^ 1;
}

/* Set before loading: without tracefs there are no tp/ hooks. */
const volatile __u32 tp_btf_is_alone = 0;

/* Set before loading: only the events of wanted_pids are recorded. */
const volatile __u32 only_wanted_pids = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} wanted_pids SEC(".maps");

/*
 * Where a record is built: at this size it would fill the BPF stack. Each hook has
 * its own, since it may be preempted by another on the same CPU (but never by itself).
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOOKS);
	__type(key, __u32);
	__type(value, struct process_info);
} record_buffers SEC(".maps");

/*
 * What a hook tells its twin, which runs next in the same thread: the event it was
 * called for, and whether there was room. Each has its own, as above, so nobody else
 * writes it meanwhile. Should another event come between, the worst is that a record
 * is inserted again, which user space notices.
 */
struct note {
	__u64 start_time; /* of the process; written first and compared last: see twins_outcome() */
	__u64 thread;
	__u32 exec_id;
	enum outcome {
		NOTHING,
		INSERTED,
		PENDING, /* there was no room, but the twin may find some */
		DROPPED,
	} outcome;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOOKS);
	__type(key, __u32);
	__type(value, struct note);
} notes SEC(".maps");

struct counters counters;

/*
 * When so many records have been inserted, user space wants to be woken, since the map
 * fills up. A ring buffer does that: what is written into it does not matter.
 */
__u64 ring_at;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* one page; libbpf makes it a larger one's size */
} bell SEC(".maps");

/*
 * Start times of processes whose exit was inserted or dropped, by pid. Before Linux 6.16
 * two threads may both take themselves for the last (see has_group_dead): an exit that
 * was the one is not the other as well.
 */
__u64 settled_exits[256];

/*
 * The kernel lets a program follow a pointer that has its type from the kernel ("typed").
 * Through any other it must ask for copies, which takes longer.
 */
#define READ(typed, from, field) ((typed) ? (from)->field : BPF_CORE_READ(from, field))

/* Linux 5.11 and later: tp/ programs get a typed pointer, too. */
static __always_inline bool has_task_btf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf);
}

/*
 * Linux 6.16 gave sched_process_exit the argument group_dead. Before, the count
 * of live threads tells; two threads that end together may both see 0, and then
 * both have the same key.
 */
static __always_inline bool has_group_dead(void)
{
	return bpf_core_field_exists(struct trace_event_raw_sched_process_exit, group_dead);
}

/* The current thread and, in the upper half, its process, as bpf_get_current_pid_tgid() has it. */
static __always_inline __u64 this_thread(struct task_struct *task, bool typed)
{
	if (typed) /* this is cheaper */
		return (__u64)task->tgid << 32 | (__u32)task->pid;
	return bpf_get_current_pid_tgid();
}

/*
 * What became of an event in the other hook. This one may be preempted at any instruction
 * by an event whose twin writes a new note; then start_time, which a writer changes first,
 * has changed when it is compared, and all that was read before counts for nothing.
 */
static __always_inline enum outcome twins_outcome(const struct process_key *key, __u64 thread,
						  enum hook hook)
{
	__u32 slot = twin_of(hook);
	const struct note *note = bpf_map_lookup_elem(&notes, &slot);
	enum outcome outcome;

	if (!note || note->thread != thread || note->exec_id != key->exec_id)
		return NOTHING;
	outcome = note->outcome;
	barrier();
	return note->start_time == key->start_time ? outcome : NOTHING;
}

static __always_inline void tell_twin(const struct process_key *key, __u64 thread,
				      enum hook hook, enum outcome outcome)
{
	__u32 slot = hook;
	struct note *note = bpf_map_lookup_elem(&notes, &slot);

	if (!note)
		return; /* for the verifier: an array always has its slots */
	note->start_time = key->start_time;
	barrier();
	note->thread = thread;
	note->exec_id = key->exec_id;
	note->outcome = outcome;
}

static __always_inline void copy_comm(__u8 *comm, struct task_struct *task, bool typed)
{
	const __u64 *from = (const void *)&task->comm;

	if (typed) {
		((__u64 *)comm)[0] = from[0];
		((__u64 *)comm)[1] = from[1];
	} else {
		bpf_probe_read_kernel(comm, COMM_SIZE, from);
	}
}

/*
 * A buffer with the fields that both events have, or NULL if the event is not wanted,
 * or the twin has inserted it already. Fills in the key.
 */
static __always_inline struct process_info *begin(struct task_struct *leader, __u64 thread,
						  struct process_key *key,
						  enum outcome *twins, enum hook hook,
						  bool typed)
{
	__u32 slot = hook;
	struct process_info *info;
	struct task_struct *parent;
	__u64 ids;

	key->start_time = READ(typed, leader, start_boottime);
	key->pid = thread >> 32;
	key->exec_id = READ(typed, leader, self_exec_id);
	key->event = event_of(hook);

	if (only_wanted_pids && !bpf_map_lookup_elem(&wanted_pids, &key->pid))
		return NULL;
	*twins = twins_outcome(key, thread, hook);
	if (*twins == INSERTED || *twins == DROPPED)
		return NULL;

	info = bpf_map_lookup_elem(&record_buffers, &slot);
	if (!info)
		return NULL; /* for the verifier: an array always has its slots */

	ids = bpf_get_current_uid_gid();
	info->uid = ids;
	info->gid = ids >> 32;
	info->cgroup_id = bpf_get_current_cgroup_id();
	parent = READ(typed, leader, real_parent);
	info->ppid = READ(typed, parent, tgid);
	/* The main thread's name: the thread that runs this may have another. */
	copy_comm(info->comm, leader, typed);
	return info;
}

static __always_inline void ring_bell(void)
{
	__u32 anything = 0;

	ring_at = ~0ULL; /* before it rings: user space sets it again when it hears that */
	if (bpf_ringbuf_output(&bell, &anything, sizeof(anything), BPF_RB_FORCE_WAKEUP))
		ring_at = 0; /* the next record tries again */
}

static __always_inline int insert(const struct process_key *key, __u64 thread,
				  struct process_info *info, enum outcome twins,
				  enum hook hook)
{
	__u64 *settled = &settled_exits[key->pid & 255];
	enum event event = event_of(hook);
	enum outcome outcome = INSERTED;
	int err; /* not long: before Linux 6.4 the upper half is not the sign's */

	/* As late as can be: user space prints nothing newer than the start of its walk. */
	info->time = bpf_ktime_get_boot_ns();
	err = bpf_map_update_elem(&process_map, key, info, BPF_NOEXIST);
	if (!err) {
		__sync_fetch_and_add(&counters.inserted, 1);
		if (counters.inserted >= ring_at)
			ring_bell();
	} else if (err != -EEXIST) {
		outcome = twins == PENDING || tp_btf_is_alone ? DROPPED : PENDING;
	}
	tell_twin(key, thread, hook, outcome);

	if (twins == PENDING)
		__sync_fetch_and_add(&counters.pending[event], -1);
	if (outcome == PENDING) {
		__sync_fetch_and_add(&counters.pending[event], 1);
		return 0;
	}
	if (outcome == DROPPED &&
	    (event == EVENT_EXEC || has_group_dead() || *settled != key->start_time))
		__sync_fetch_and_add(&counters.dropped[event], 1);
	if (event == EVENT_EXIT && !has_group_dead())
		*settled = key->start_time;
	return 0;
}

/* An exec has succeeded: the current task already runs the new program. */
static __always_inline int record_exec(struct task_struct *task, const void *filename,
				       enum hook hook, bool typed)
{
	__u64 thread = this_thread(task, typed);
	struct process_key key = {};
	struct signal_struct *signal;
	struct process_info *info;
	struct mm_struct *mm;
	enum outcome twins;
	__u64 arg_start, size;
	long len;

	info = begin(task, thread, &key, &twins, hook, typed);
	if (!info)
		return 0;
	mm = READ(typed, task, mm);
	if (!mm)
		return 0; /* for the verifier: a program that runs has its memory */

	/* What ran in the process until now may have had more memory than the new program. */
	signal = READ(typed, task, signal);
	info->usage.max_rss = READ(typed, signal, maxrss);

	/* A failed read leaves size 0, which user space shows as unknown. */
	len = bpf_probe_read_kernel_str(info->filename, sizeof(info->filename), filename);
	info->filename_size = len > 0 ? len : 0;

	/* The kernel has just written argv, one string after the other, on the new stack. */
	arg_start = READ(typed, mm, arg_start);
	size = READ(typed, mm, arg_end) - arg_start;
	info->args_size = size;
	if (size > ARGS_SIZE)
		size = ARGS_SIZE;
	len = bpf_probe_read_user(info->args, size, (void *)arg_start);
	info->args_read = len ? 0 : size;

	return insert(&key, thread, info, twins, hook);
}

static __always_inline void add_thread(struct process_usage *usage, struct task_struct *thread,
				       bool typed)
{
	usage->cpu_ns += READ(typed, thread, se.sum_exec_runtime);
	usage->major_faults += READ(typed, thread, maj_flt);
	if (bpf_core_field_exists(thread->ioac)) {
		usage->read_bytes += READ(typed, thread, ioac.read_bytes);
		usage->write_bytes += READ(typed, thread, ioac.write_bytes);
	}
}

/* Threads that are gone have left their sums in `signal`; this thread and the main one not yet. */
static __always_inline void sum_up(struct process_usage *usage, struct task_struct *task,
				   struct task_struct *leader, struct signal_struct *signal,
				   bool typed)
{
	usage->cpu_ns = READ(typed, signal, sum_sched_runtime);
	usage->max_rss = READ(typed, signal, maxrss);
	usage->major_faults = READ(typed, signal, maj_flt);
	usage->read_bytes = NOT_COUNTED;
	usage->write_bytes = NOT_COUNTED;
	if (bpf_core_field_exists(task->ioac)) {
		usage->read_bytes = READ(typed, signal, ioac.read_bytes);
		usage->write_bytes = READ(typed, signal, ioac.write_bytes);
	}
	add_thread(usage, task, typed);
	if (leader != task)
		add_thread(usage, leader, typed);
}

/* A thread has ended. Its process has when it was the last one: `group_dead`, if the kernel tells. */
static __always_inline int record_exit(struct task_struct *task, bool group_dead,
				       enum hook hook, bool typed)
{
	struct signal_struct *signal = READ(typed, task, signal);
	struct process_key key = {};
	struct process_info *info;
	struct task_struct *leader;
	enum outcome twins;
	__u64 thread;

	if (has_group_dead() ? !group_dead : READ(typed, signal, live.counter))
		return 0;

	thread = this_thread(task, typed);
	leader = READ(typed, task, group_leader);
	/*
	 * Of two threads that see 0 live (see has_group_dead), the one that is not the main
	 * thread may be here before the main thread has stored its code, which Linux 5.10
	 * takes for the status. A thread that still has its memory has yet to come here.
	 */
	if (!has_group_dead() && leader != task && READ(typed, leader, mm) &&
	    !(READ(typed, signal, flags) & SIGNAL_GROUP_EXIT))
		return 0;

	info = begin(leader, thread, &key, &twins, hook, typed);
	if (!info)
		return 0;

	/* The same choice as wait_task_zombie() makes in the kernel. */
	if (READ(typed, signal, flags) & SIGNAL_GROUP_EXIT)
		info->wait_status = READ(typed, signal, group_exit_code);
	else
		info->wait_status = READ(typed, leader, exit_code);
	sum_up(&info->usage, task, leader, signal, typed);

	return insert(&key, thread, info, twins, hook);
}

/*
 * The tp_btf/ hooks get the arguments of the tracepoint in the kernel's source. Being the
 * faster ones they are attached first; but where another program has the tracepoint open
 * through perf, the tp/ hooks run first all the same.
 */

SEC("tp_btf/sched_process_exec")
int exec_tp_btf(__u64 *args /* task, old_pid, bprm */)
{
	struct linux_binprm *bprm = (void *)args[2];

	return record_exec((void *)args[0], bprm->filename, EXEC_TP_BTF, true);
}

SEC("tp_btf/sched_process_exit")
int exit_tp_btf(__u64 *args /* task, group_dead */)
{
	return record_exit((void *)args[0], has_group_dead() && args[1], EXIT_TP_BTF, true);
}

/* The tp/ hooks get the tracepoint's event as tracefs describes it. */

SEC("tp/sched/sched_process_exec")
int exec_tp(struct trace_event_raw_sched_process_exec *ctx)
{
	/* The low half of a __data_loc is the string's offset in the event. */
	const void *filename = (void *)ctx + (ctx->__data_loc_filename & 0xffff);

	if (has_task_btf())
		return record_exec(bpf_get_current_task_btf(), filename, EXEC_TP, true);
	return record_exec((void *)bpf_get_current_task(), filename, EXEC_TP, false);
}

SEC("tp/sched/sched_process_exit")
int exit_tp(struct trace_event_raw_sched_process_exit *ctx)
{
	bool group_dead = has_group_dead() && ctx->group_dead;

	if (has_task_btf())
		return record_exit(bpf_get_current_task_btf(), group_dead, EXIT_TP, true);
	return record_exit((void *)bpf_get_current_task(), group_dead, EXIT_TP, false);
}
