// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Threads that call exec, and threads that leave. */
#include "actor.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *exec_thread(void *code)
{
	execl("/proc/self/exe", "actor", "exit", code, NULL);
	err(99, "exec");
}

/* thread-exec CODE: a second thread calls exec, and the new program exits with CODE */
static int play_thread_exec(char **argv)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, exec_thread, argv[0]))
		errx(99, "pthread_create");
	pthread_join(thread, NULL);
	return 98;
}

/* The ways for one thread to leave. */
static void leave(const char *way, int code)
{
	char other[12];

	if (!strcmp(way, "pthread_exit"))
		pthread_exit(NULL);
	if (!strcmp(way, "exit")) /* of the thread alone, as the kernel knows it */
		syscall(SYS_exit, code);
	if (!strcmp(way, "exit_group"))
		_exit(code);
	if (!strcmp(way, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(way, "exec")) {
		snprintf(other, sizeof(other), "%d", 100 + code);
		/* /proc/self is empty once the main thread has left. */
		execl("/proc/thread-self/exe", "actor", "exit", other, NULL);
	}
	_exit(98);
}

static pthread_t main_thread;

static void *last_to_leave(void *way)
{
	pthread_join(main_thread, NULL);
	wait_for_end_of(STDIN_FILENO);
	leave(way, 4);
	return NULL;
}

/*
 * last-thread MAIN LAST: the main thread leaves by MAIN with code 3, then at the end of
 * stdin the last thread by LAST with code 4
 */
static int play_last_thread(char **argv)
{
	pthread_t thread;

	main_thread = pthread_self();
	if (pthread_create(&thread, NULL, last_to_leave, argv[1]))
		errx(99, "pthread_create");
	leave(argv[0], 3);
	return 98;
}

enum { CROWD = 9 };
static pthread_barrier_t gate;
static char **crowd_ways;
static int chosen;

static void *crowd_member(void *number)
{
	int n = (intptr_t)number;

	pthread_barrier_wait(&gate);
	leave(crowd_ways[n != chosen], n + 1);
	return NULL;
}

/*
 * crowd ONE OTHERS N: N processes of nine threads which leave at the same time, one of
 * them by ONE, each with its own code. Which one that is goes round.
 */
static int play_crowd(char **argv)
{
	for (int i = 0; i < atoi(argv[2]); i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(99, "fork");
		if (pid == 0) {
			pthread_t thread;

			crowd_ways = argv;
			chosen = i % CROWD;
			pthread_barrier_init(&gate, NULL, CROWD);
			for (intptr_t n = 1; n < CROWD; n++)
				if (pthread_create(&thread, NULL, crowd_member, (void *)n))
					errx(99, "pthread_create");
			crowd_member(0);
		}
		reap("crowd", pid);
	}
	return 0;
}

const struct part threads_parts[] = {
	{ "thread-exec", 1, play_thread_exec },
	{ "last-thread", 2, play_last_thread },
	{ "crowd", 3, play_crowd },
	{},
};
