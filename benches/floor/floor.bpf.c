// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What can't be saved: any program on both tracepoints, and a record put into a map at each of
 * them, as src/bpf/kernel_and_user_map.bpf.c does with what it has found out.
 */
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

struct key {
	__u64 number;
	__u64 same[2];
};

struct record {
	__u8 bytes[560];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct key);
	__type(value, struct record);
} records SEC(".maps");

struct record record;
__u64 inserted;

static __always_inline int insert(void)
{
	struct key key = { .number = __sync_fetch_and_add(&inserted, 1) };

	bpf_map_update_elem(&records, &key, &record, BPF_NOEXIST);
	return 0;
}

SEC("tp/sched/sched_process_exec")
int exec_insert(void)
{
	return insert();
}

SEC("tp/sched/sched_process_exit")
int exit_insert(void)
{
	return insert();
}
