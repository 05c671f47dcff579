/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Command lines of what is followed that are longer than their record: of a build, every third.
 * A first reading may skip this.
 */
#pragma once

#define LONG_ARGS_SIZE 8192 /* longer ones are cut */

struct long_args {
	__u8 bytes[LONG_ARGS_SIZE];
};

/* As in process_map, with the same keys: user space takes them out. Where there is no room, the
 * command line stays cut. User space sets the sizes of both before the program is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct process_key);
	__type(value, struct long_args);
} long_args SEC(".maps");

/* A place for each hook, as in record_buffers. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct long_args);
} long_args_buffers SEC(".maps");

/* Keeps a command line of `size` bytes, if its record has not enough room for it. */
static __always_inline void keep_long_args(const struct process_key *key, const void *args,
					   __u64 size, enum hook hook)
{
	__u32 slot = hook;
	struct long_args *buffer;

	if (!only_followed || size <= ARGS_SIZE)
		return;
	buffer = bpf_map_lookup_elem(&long_args_buffers, &slot);
	if (!buffer)
		return;
	if (size > LONG_ARGS_SIZE)
		size = LONG_ARGS_SIZE;
	if (!bpf_probe_read_user(buffer->bytes, size, args))
		bpf_map_update_elem(&long_args, key, buffer, BPF_NOEXIST);
}
