// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Nothing, on both tracepoints: what any program costs there. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp/sched/sched_process_exec")
int exec_nothing(void)
{
	return 0;
}

SEC("tp/sched/sched_process_exit")
int exit_nothing(void)
{
	return 0;
}
