/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Only some processes (--pid). A first reading may skip this.
 */
#pragma once

/* In .rodata, set before the program is loaded. If not 0, only wanted_pids are recorded. */
const volatile __u32 only_wanted_pids = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* user space sets it before the program is loaded */
	__type(key, __u32);
	__type(value, __u8);
} wanted_pids SEC(".maps");

static __always_inline bool is_wanted(__u32 pid)
{
	return !only_wanted_pids || bpf_map_lookup_elem(&wanted_pids, &pid);
}
