/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Wakes user space before the map is full. A first reading may skip this.
 *
 * User space sleeps for a whole period. A hash map can't wake a reader, a ring buffer can:
 * what is written into it does not matter.
 */
#pragma once

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* a page; libbpf rounds it up where pages are larger */
} wakeup SEC(".maps");

/* User space wants to be woken when so many records have been inserted in all. */
__u64 wakeup_at;

static __always_inline void wake_up_at(__u64 inserted)
{
	__u32 anything = 0;

	if (inserted < wakeup_at)
		return;
	wakeup_at = ~0ULL; /* before it wakes: user space sets it again then */
	if (bpf_ringbuf_output(&wakeup, &anything, sizeof(anything), BPF_RB_FORCE_WAKEUP))
		wakeup_at = 0; /* the next record tries again */
}
