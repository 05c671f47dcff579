/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Only some processes (--pid, --user, --cgroup). A first reading may skip this.
 *
 * User and cgroup of a program are those at its exec, and both its events are wanted or neither.
 * So the exec decides, and `refused` knows the exit that belongs to it. User space, which has the
 * same filter, decides on all that is recorded: also on forks without exec, and on what was
 * running before.
 */
#pragma once

/* In .rodata, set before the program is loaded. What is 0 is not asked for. */
const volatile __u32 only_wanted_pids = 0;
const volatile __u32 only_wanted_users = 0;
const volatile __u32 only_wanted_cgroup = 0;

/* User space sets the sizes of these three before the program is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} wanted_pids SEC(".maps"), wanted_users SEC(".maps");

/*
 * Programs that were refused and run: pid, and the word of once.bpf.h that names the program. The
 * exit takes it out. Words in an array would be overwritten while a program runs for long; here,
 * what has no room is recorded.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

/* Processes that were started earlier (ns, boot clock) are not refused: user space may have found
 * them in /proc, and waits for their events. User space sets it. */
__u64 refuse_from;

/*
 * The cgroup that the path names. It may be removed and made again, and is another one then. So
 * it is asked about only if no cgroup has been made since user space has looked at the path last.
 */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} wanted_cgroup SEC(".maps");

__u64 cgroups_made;
__u64 cgroups_looked_at; /* what cgroups_made was when user space looked */

/* Loaded only with --cgroup. It runs before any process can enter the new cgroup. One is enough:
 * the kernel makes one cgroup at a time, so the program never runs when it should begin. */
SEC("tp_btf/cgroup_mkdir")
int cgroup_made(void *args __attribute__((unused)))
{
	__sync_fetch_and_add(&cgroups_made, 1);
	return 0;
}

static __always_inline bool is_wanted(__u32 pid)
{
	return !only_wanted_pids || bpf_map_lookup_elem(&wanted_pids, &pid);
}

/* Whether the current process has another user than those that are wanted, or another cgroup. */
static __always_inline bool is_outside(void)
{
	__u32 uid = bpf_get_current_uid_gid();

	if (only_wanted_users && !bpf_map_lookup_elem(&wanted_users, &uid))
		return true;
	return only_wanted_cgroup && cgroups_looked_at == cgroups_made &&
	       bpf_current_task_under_cgroup(&wanted_cgroup, 0) != 1;
}

/* Whether an exec is refused, or belongs to one that was: then it is settled, too. */
static __always_inline bool is_refused(struct task_struct *leader, const struct process_key *key)
{
	__u64 word, *known;

	if (!only_wanted_users && !only_wanted_cgroup)
		return false;
	word = SETTLED_WORD(key->start_time, key->exec_id);
	if (key->event == EVENT_EXIT) {
		known = bpf_map_lookup_elem(&refused, &key->pid);
		if (!known)
			return is_settled(key); /* by another last thread, in between */
		if (*known == word) {
			settle(key);
			bpf_map_delete_elem(&refused, &key->pid);
			return true;
		}
		bpf_map_delete_elem(&refused, &key->pid); /* of a program before */
		return false;
	}

	if (key->start_time < refuse_from || !is_outside())
		return false;
	/* Not its first exec: if one before was recorded, user space waits for what comes then. */
	if (key->exec_id - 1 != (__u32)leader->parent_exec_id) {
		known = bpf_map_lookup_elem(&refused, &key->pid);
		if (!known || *known != SETTLED_WORD(key->start_time, key->exec_id - 1))
			return false;
	}
	if (bpf_map_update_elem(&refused, &key->pid, &word, BPF_ANY))
		return false;
	settle(key);
	return true;
}
