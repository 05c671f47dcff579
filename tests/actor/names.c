// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What users choose the names of. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Makes a cgroup, if it is not there, and moves into it. */
static void join(const char *dir)
{
	char procs[4096];
	int fd;

	if (mkdir(dir, 0755) && errno != EEXIST)
		err(99, "%s", dir);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		err(99, "%s", procs);
	close(fd);
}

/* in-cgroup DIR ARGUMENT...: runs `actor ARGUMENT...` there */
static int play_in_cgroup(char **argv)
{
	join(argv[0]);
	argv[0] = "actor";
	execv("/proc/self/exe", argv);
	return 99;
}

/*
 * cgroups DIR UID OTHERS N: a user who owns DIR makes some cgroups there, and runs N processes
 * one after the other, each in a cgroup of its own: `actor exit 0 I` in DIR/I. It goes with the
 * process; the others stay.
 */
static int play_cgroups(char **argv)
{
	char dir[4096], number[12];
	int status;
	pid_t pid;

	join(argv[0]); /* a user may move processes within what belongs to the user only */
	if (setgid(atoi(argv[1])) || setuid(atoi(argv[1])))
		err(99, "setuid");
	for (int i = 0; i < atoi(argv[2]); i++) {
		snprintf(dir, sizeof(dir), "%s/other-%d", argv[0], i);
		if (mkdir(dir, 0755))
			err(99, "%s", dir);
	}
	for (int i = 0; i < atoi(argv[3]); i++) {
		snprintf(number, sizeof(number), "%d", i);
		snprintf(dir, sizeof(dir), "%s/%d", argv[0], i);
		pid = fork();
		if (pid < 0)
			err(99, "fork");
		if (pid == 0) {
			join(dir);
			execl("/proc/self/exe", "actor", "exit", "0", number, NULL);
			_exit(99);
		}
		if (waitpid(pid, &status, 0) < 0 || status)
			errx(99, "process %d: %d", i, status);
		/* A controller may hold it for a moment. */
		while (rmdir(dir))
			if (errno != EBUSY)
				err(99, "%s", dir);
	}
	return 0;
}

const struct part names_parts[] = {
	{ "in-cgroup", 2, play_in_cgroup },
	{ "cgroups", 4, play_cgroups },
	{},
};
