// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Namespaces. */
#include "actor.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void map_id(pid_t pid, const char *map, int id)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, map);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "0 %d 1\n", id) < 0)
		err(99, "%s", path);
	close(fd);
}

/*
 * namespace KIND PART [ARGUMENT...]: a child in a namespace of its own plays PART. In a
 * `user` namespace, user 0 is 100000 outside, and group 0 is 100001.
 */
static int play_namespace(char **argv)
{
	static const struct {
		const char *name;
		unsigned int flags;
		bool mapped;
	} kinds[] = {
		{ "pid", CLONE_NEWPID, false },
		{ "mount", CLONE_NEWNS, false },
		{ "user", CLONE_NEWUSER, true },
		{ "unmapped-user", CLONE_NEWUSER, false },
		{ "all", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER, true },
	};
	struct clone_args how = { .exit_signal = SIGCHLD };
	int unmapped[2];
	size_t kind = 0;
	pid_t pid;

	while (kind < LENGTH(kinds) && strcmp(argv[0], kinds[kind].name))
		kind++;
	if (kind == LENGTH(kinds))
		return 2;
	how.flags = kinds[kind].flags;
	if (pipe2(unmapped, O_CLOEXEC))
		err(99, "pipe");
	pid = syscall(SYS_clone3, &how, sizeof(how));
	if (pid < 0)
		err(99, "clone3");
	if (pid == 0) {
		close(unmapped[1]);
		wait_for_end_of(unmapped[0]);
		if (kinds[kind].mapped && (setgid(0) || setuid(0)))
			err(99, "setuid");
		play(argv + 1);
		_exit(2);
	}
	if (kinds[kind].mapped) {
		map_id(pid, "uid_map", 100000);
		map_id(pid, "gid_map", 100001);
	}
	close(unmapped[1]);
	reap("namespace", pid);
	return 0;
}

/* abandon CODE: exits while a child lives on, for the first of a pid namespace */
static int play_abandon(char **argv)
{
	int untold[2];
	pid_t pid;

	if (pipe2(untold, O_CLOEXEC))
		err(99, "pipe");
	pid = fork();
	if (pid < 0)
		err(99, "fork");
	if (pid == 0) {
		play_tell(argv);
		close(untold[1]);
		play((char *[]){ "sleep", NULL });
	}
	close(untold[1]);
	wait_for_end_of(untold[0]);
	return atoi(argv[0]);
}

const struct part namespaces_parts[] = {
	{ "namespace", 2, play_namespace },
	{ "abandon", 1, play_abandon },
	{},
};
