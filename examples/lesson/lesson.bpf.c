// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The demo that the lesson begins with, kernel half: a map of the processes that run,
 * from pid to name. An exec inserts, an exit deletes.
 *
 * It has faults, on purpose: docs/lesson.md finds them one by one, and shows what cures
 * them. The cured program is src/bpf/kernel_and_user_map.bpf.c.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define COMM_SIZE 16 /* TASK_COMM_LEN in the kernel */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);		/* pid */
	__type(value, char[COMM_SIZE]); /* name */
} process_map SEC(".maps");

/* The upper half is the process (tgid), the lower half the thread. */
static __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* The current process runs another program now. */
SEC("tp/sched/sched_process_exec")
int handle_exec(void)
{
	__u32 pid = current_pid();
	char comm[COMM_SIZE];

	bpf_get_current_comm(comm, sizeof(comm));
	bpf_map_update_elem(&process_map, &pid, comm, BPF_ANY);
	return 0;
}

/* The current process ends. */
SEC("tp/sched/sched_process_exit")
int handle_exit(void)
{
	__u32 pid = current_pid();

	bpf_map_delete_elem(&process_map, &pid);
	return 0;
}
