/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A second pair of tp_btf/ hooks, which is loaded in place of the tp/ hooks where tracefs is out
 * of reach: two programs have two guards (once.bpf.h). A first reading may skip this.
 */
#pragma once

SEC("tp_btf/sched_process_exec")
int exec_tp_btf_2(__u64 *args /* task, old_pid, bprm */)
{
	struct linux_binprm *bprm = (void *)args[2];

	return record_exec((void *)args[0], bprm->filename, 0, EXEC_TP);
}

SEC("tp_btf/sched_process_exit")
int exit_tp_btf_2(__u64 *args /* task, group_dead */)
{
	return record_exit((void *)args[0], has_group_dead() ? args[1] : 0, EXIT_TP);
}
