// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ways to be born, and whose child one is then. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* forked PART [ARGUMENT...]: a child plays PART without exec */
static int play_forked(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		err(99, "fork");
	if (pid == 0) {
		play(argv);
		_exit(2);
	}
	reap("forked", pid);
	return 0;
}

/* A child, born this way, that runs `actor exit CODE`. -1: it is the only child we have. */
static pid_t born(const char *way, char *code)
{
	char *args[] = { "actor", "exit", code, NULL };
	struct clone_args how = { .exit_signal = SIGCHLD };
	pid_t pid = -1;

	if (!strcmp(way, "fork")) {
		pid = fork();
	} else if (!strcmp(way, "vfork")) {
		pid = vfork();
	} else if (!strcmp(way, "posix_spawn")) {
		errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ);
	} else if (!strcmp(way, "clone")) {
		pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	} else if (!strcmp(way, "clone3")) {
		pid = syscall(SYS_clone3, &how, sizeof(how));
	} else if (!strcmp(way, "sibling")) { /* the child of our child is our child */
		pid_t middle = fork();

		if (middle > 0) {
			waitpid(middle, NULL, 0);
			return -1;
		}
		if (middle == 0)
			pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (pid > 0)
			_exit(0);
	}
	if (pid == 0) {
		execv("/proc/self/exe", args);
		_exit(99);
	}
	if (pid < 0)
		err(99, "%s", way);
	return pid;
}

/*
 * births CODE: a child by each way there is, then two that call no exec. They exit with CODE,
 * CODE + 1, ...
 */
static int play_births(char **argv)
{
	static const char *const ways[] = { "fork",  "vfork",  "posix_spawn",
					    "clone", "clone3", "sibling" };
	char code[12];
	pid_t pid;

	for (size_t i = 0; i < LENGTH(ways); i++) {
		snprintf(code, sizeof(code), "%zu", atoi(argv[0]) + i);
		reap(ways[i], born(ways[i], code));
	}
	pid = fork();
	if (pid == 0)
		_exit(atoi(argv[0]) + LENGTH(ways));
	reap("fork-exit", pid);
	pid = vfork();
	if (pid == 0)
		_exit(atoi(argv[0]) + LENGTH(ways) + 1);
	reap("vfork-exit", pid);
	return 0;
}

/* orphan PARENT CODE: says by closing stdin that it runs; exits when it has another parent */
static int play_orphan(char **argv)
{
	close(STDIN_FILENO);
	for (int ms = 0; ms < 60 * 1000; ms++) {
		if (getppid() != atoi(argv[0]))
			return atoi(argv[1]);
		usleep(1000);
	}
	errx(99, "%s does not end", argv[0]);
}

/*
 * daemon WHEN CODE: our child leaves a child of its own behind, which exits with CODE as
 * a child of ours. WHEN it calls exec: `before` it is left, `after` that, or `never`.
 */
static int play_daemon(char **argv)
{
	char parent[12], *args[] = { "actor", "orphan", parent, argv[1], NULL };
	int alive[2];
	pid_t middle;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	middle = fork();
	if (middle < 0)
		err(99, "fork");
	if (middle == 0) {
		snprintf(parent, sizeof(parent), "%d", getpid());
		if (pipe2(alive, O_CLOEXEC))
			err(99, "pipe");
		if (fork() == 0) {
			/* exec closes the other one early, before it is an event. */
			dup2(alive[1], STDIN_FILENO);
			close(alive[1]);
			if (!strcmp(argv[0], "before"))
				execv("/proc/self/exe", args);
			play_orphan(args + 2);
			if (!strcmp(argv[0], "after"))
				execv("/proc/self/exe", args);
			_exit(atoi(argv[1]));
		}
		close(alive[1]);
		wait_for_end_of(alive[0]);
		_exit(0);
	}
	reap("middle", middle);
	reap("daemon", -1);
	return 0;
}

/*
 * leave PART [ARGUMENT...]: a daemon, by a double fork, plays PART in a session of its own; prints
 * `left PID`
 */
static int play_leave(char **argv)
{
	pid_t middle = fork(), daemon;

	if (middle < 0)
		err(99, "fork");
	if (middle == 0) {
		setsid();
		daemon = fork();
		if (daemon < 0)
			err(99, "fork");
		if (daemon == 0) {
			play(argv);
			_exit(2);
		}
		printf("left %d\n", daemon);
		_exit(0);
	}
	reap("middle", middle);
	return 0;
}

/* traced CODE: a child that a third process traces runs `actor exit CODE` */
static int play_traced(char **argv)
{
	pid_t traced, tracer;
	int untraced[2];

	if (pipe2(untraced, O_CLOEXEC))
		err(99, "pipe");
	traced = fork();
	if (traced == 0) {
		close(untraced[1]);
		wait_for_end_of(untraced[0]);
		execl("/proc/self/exe", "actor", "exit", argv[0], NULL);
		_exit(99);
	}
	tracer = fork();
	if (tracer == 0) {
		if (ptrace(PTRACE_SEIZE, traced, 0, 0))
			err(99, "ptrace");
		close(untraced[1]);
		waitpid(traced, NULL, 0);
		_exit(0);
	}
	close(untraced[1]);
	reap("tracer", tracer);
	reap("traced", traced);
	return 0;
}

/* as-pid PID CODE: a child with this pid calls exec and exits with CODE; exits as it does */
static int play_as_pid(char **argv)
{
	pid_t wanted = atoi(argv[0]);
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&wanted,
		.set_tid_size = 1,
	};
	int status;
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		err(99, "clone3 with pid %d", wanted);
	if (pid == 0) {
		execl("/proc/self/exe", "actor", "exit", argv[1], NULL);
		err(99, "exec");
	}
	if (waitpid(pid, &status, 0) < 0)
		err(99, "waitpid");
	return WEXITSTATUS(status);
}

/* linger MILLISECONDS CODE */
static int play_linger(char **argv)
{
	usleep(atoi(argv[0]) * 1000);
	return atoi(argv[1]);
}

/*
 * reuse N PAUSE: N processes with one pid, one after the other, each with PAUSE ms before
 * exec, before exit and after. Every third does not call exec. Process i exits with i % 100.
 */
static int play_reuse(char **argv)
{
	int pause = atoi(argv[1]) * 1000;
	pid_t again = 0;

	for (int i = 0; i < atoi(argv[0]); i++) {
		struct clone_args how = {
			.exit_signal = SIGCHLD,
			.set_tid = again ? (uintptr_t)&again : 0,
			.set_tid_size = again ? 1 : 0,
		};
		char number[12], code[12];
		pid_t pid;

		snprintf(number, sizeof(number), "%d", i);
		snprintf(code, sizeof(code), "%d", i % 100);
		pid = syscall(SYS_clone3, &how, sizeof(how));
		if (pid == 0) {
			usleep(pause);
			if (i % 3 != 2)
				execl("/proc/self/exe", "actor", "linger", argv[1], code, number,
				      NULL);
			_exit(i % 100);
		}
		if (pid < 0 && errno != EEXIST)
			err(99, "clone3");
		again = pid < 0 ? 0 : pid;
		if (pid < 0)
			i--; /* somebody else has it: go on with another */
		else
			reap(number, pid);
		usleep(pause);
	}
	return 0;
}

/* clang-format off */
const struct part births_parts[] = {
	{ "forked", 1, play_forked },
	{ "births", 1, play_births },
	{ "orphan", 2, play_orphan },
	{ "daemon", 2, play_daemon },
	{ "leave", 1, play_leave },
	{ "traced", 1, play_traced },
	{ "as-pid", 2, play_as_pid },
	{ "linger", 2, play_linger },
	{ "reuse", 2, play_reuse },
	{},
};
/* clang-format on */
