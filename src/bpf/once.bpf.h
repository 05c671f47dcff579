/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each event once, though two hooks see it. A first reading may skip this.
 *
 * The kernel silently skips a BPF program in some situations, and not both kinds in the same
 * ones: a tp/ program while a map system call runs on its CPU, a tp_btf/ program while the
 * same program runs on its CPU. So both stand on each tracepoint. Whichever runs first
 * records the event; the other finds it settled. ARCHITECTURE.md has the measurements.
 */
#pragma once

/* The hooks of second.bpf.h take the places of the tp/ hooks, since only one pair is loaded. */
enum hook { EXEC_TP, EXIT_TP, EXEC_TP_BTF, EXIT_TP_BTF, HOOKS };

/*
 * A word for each pid and kind of event. It names the event that was settled there last:
 * recorded, or counted as dropped. A word is never seen half-written, so this takes no lock
 * and no barrier. It also stops the second of two threads that both take themselves for the
 * last one (before Linux 6.16).
 *
 * Pids that differ by a multiple of 1024 share their words. If such a process comes between
 * two twins (about a microsecond), the second twin finds the key in the map; or it inserts the
 * event once more, which user space recognises; or it counts a drop twice.
 */
#define SETTLED_WORDS 4096 /* a power of two */
#define SETTLED_SLOT(key) (((key)->pid * 4 + (key)->event) & (SETTLED_WORDS - 1))
#define SETTLED_WORD(start_time, exec_id) ((start_time) << 8 ^ (exec_id))

__u64 settled[SETTLED_WORDS];

static __always_inline bool is_settled(const struct process_key *key)
{
	return settled[SETTLED_SLOT(key)] == SETTLED_WORD(key->start_time, key->exec_id);
}

static __always_inline void settle(const struct process_key *key)
{
	settled[SETTLED_SLOT(key)] = SETTLED_WORD(key->start_time, key->exec_id);
}
