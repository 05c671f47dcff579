/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel knows of a process: its name, whether it has ended, how, and what it has used
 * up. Pointers that others have followed come as arguments: each time that C follows one, the
 * verifier of Linux 6.3 to 6.18 looks through all types of the kernel, which takes it 0.6 ms.
 * A first reading may skip this.
 */
#pragma once

/*
 * Linux 6.16 gave sched_process_exit the argument group_dead. Before, the count of live
 * threads tells; two threads that end together may both see 0, and then both have the
 * same key.
 */
static __always_inline bool has_group_dead(void)
{
	return bpf_core_field_exists(struct trace_event_raw_sched_process_exit, group_dead);
}

/* sched_process_exit fires for every thread. The process has ended when the last one has. */
static __always_inline bool process_has_ended(struct task_struct *task, struct task_struct *leader,
					      struct signal_struct *signal, __u64 group_dead)
{
	if (has_group_dead())
		return group_dead;
	if (signal->live.counter)
		return false;
	/*
	 * Of two threads that see 0 live, the one that is not the main thread may be here before
	 * the main thread has stored its code, which Linux 5.10 takes for the status. A thread
	 * that still has its memory has yet to come here.
	 */
	return leader == task || !leader->mm || signal->flags & SIGNAL_GROUP_EXIT;
}

/* As wait(2) reports it: the same choice as wait_task_zombie() makes in the kernel. */
static __always_inline __u32 wait_status_of(struct task_struct *leader,
					    struct signal_struct *signal)
{
	return signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
}

/* A thread's name. It takes two loads, and a helper's call would take longer. */
static __always_inline void copy_name(__u8 *to, struct task_struct *thread)
{
	const __u64 *comm = (const void *)&thread->comm;

	((__u64 *)to)[0] = comm[0];
	((__u64 *)to)[1] = comm[1];
}

/*
 * A filename of `size` bytes with its NUL; 0 is unknown, and takes longer: a string is read byte
 * by byte. A failed read leaves size 0, which user space shows as unknown.
 */
static __always_inline void copy_filename(struct process_info *info, const void *filename,
					  __u32 size)
{
	long len;

	if (size) {
		if (size > FILENAME_SIZE)
			size = FILENAME_SIZE;
		len = bpf_probe_read_kernel(info->filename, size, filename) ? 0 : size;
		info->filename[FILENAME_SIZE - 1] = 0;
	} else {
		len = bpf_probe_read_kernel_str(info->filename, FILENAME_SIZE, filename);
	}
	info->filename_size = len > 0 ? len : 0;
}

static __always_inline void add_thread(struct process_usage *usage, struct task_struct *thread)
{
	usage->cpu_ns += thread->se.sum_exec_runtime;
	usage->major_faults += thread->maj_flt;
	if (bpf_core_field_exists(thread->ioac)) {
		usage->read_bytes += thread->ioac.read_bytes;
		usage->write_bytes += thread->ioac.write_bytes;
	}
}

/* Threads that are gone have left their sums in `signal`; this one and the main one not yet. */
static __always_inline void sum_up(struct process_usage *usage, struct task_struct *task,
				   struct task_struct *leader, struct signal_struct *signal)
{
	usage->cpu_ns = signal->sum_sched_runtime;
	usage->max_rss = signal->maxrss;
	usage->major_faults = signal->maj_flt;
	usage->read_bytes = NOT_COUNTED;
	usage->write_bytes = NOT_COUNTED;
	if (bpf_core_field_exists(task->ioac)) {
		usage->read_bytes = signal->ioac.read_bytes;
		usage->write_bytes = signal->ioac.write_bytes;
	}
	add_thread(usage, task);
	if (leader != task)
		add_thread(usage, leader);
}
