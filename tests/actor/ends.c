// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ways to end, and what was used until then. */
#include "actor.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* exit CODE */
static int play_exit(char **argv)
{
	return atoi(argv[0]);
}

/* signal NUMBER: ends by it, without a core */
static int play_signal(char **argv)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(atoi(argv[0]), SIG_DFL);
	raise(atoi(argv[0]));
	errx(99, "signal %s did not end the process", argv[0]);
}

/* signals CORE_LIMIT NUMBER...: a child for each signal sends it to itself */
static int play_signals(char **argv)
{
	struct rlimit core = { atoi(argv[0]), atoi(argv[0]) };
	sigset_t none;

	if (setrlimit(RLIMIT_CORE, &core))
		err(99, "setrlimit");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (char **number = argv + 1; *number; number++) {
		pid_t pid = fork();

		if (pid < 0)
			err(99, "fork");
		if (pid == 0) {
			/* All zeros are SIG_DFL. The C library does not touch 32 and 33, its own,
			 * and posix_spawn has started us with these ignored. */
			syscall(SYS_rt_sigaction, atoi(*number), &(char[64]){ 0 }, NULL, 8);
			kill(getpid(), atoi(*number));
			_exit(99);
		}
		reap(*number, pid);
	}
	return 0;
}

static void *crash_thread(void *unused)
{
	raise(SIGSEGV);
	return unused;
}

/* crash HOW: by a write to address 0, by a signal in a second thread, or by seccomp */
static int play_crash(char **argv)
{
	int *volatile nowhere = NULL;
	pthread_t thread;

	setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	if (!strcmp(argv[0], "null"))
		*nowhere = 1;
	if (!strcmp(argv[0], "thread") && !pthread_create(&thread, NULL, crash_thread, NULL))
		pthread_join(thread, NULL);
	if (!strcmp(argv[0], "seccomp") && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		syscall(SYS_getpid);
	return 99;
}

/* hog FILE: moves itself into the cgroup of that cgroup.procs, and eats 256 MiB */
static int play_hog(char **argv)
{
	int fd = open(argv[0], O_WRONLY);

	if (fd < 0 || write(fd, "0", 1) != 1)
		err(99, "%s", argv[0]);
	for (int mib = 0; mib < 256; mib++) {
		char *food = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (food == MAP_FAILED)
			err(99, "mmap");
		memset(food, 1, 1 << 20);
	}
	return 98;
}

/* burn MS: keeps a CPU busy until the process has used that much of it; prints how many µs it was */
static int play_burn(char **argv)
{
	clock_t end = (clock_t)atol(argv[0]) * (CLOCKS_PER_SEC / 1000);
	clock_t now;

	do
		now = clock();
	while (now < end);
	printf("%ld\n", now);
	return 0;
}

/* touch MIB: writes to each page of so much memory */
static int play_touch(char **argv)
{
	size_t size = (size_t)atol(argv[0]) << 20;
	volatile char *memory = malloc(size);

	if (!memory)
		err(99, "malloc");
	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
	return 0;
}

/* write MIB PATH: so much into a new file */
static int play_write(char **argv)
{
	static char block[1 << 20];
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		err(99, "%s", argv[1]);
	for (int n = atoi(argv[0]); n > 0; n--)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			err(99, "write");
	return 0;
}

/* clang-format off */
const struct part ends_parts[] = {
	{ "exit", 1, play_exit },
	{ "signal", 1, play_signal },
	{ "signals", 2, play_signals },
	{ "crash", 1, play_crash },
	{ "hog", 1, play_hog },
	{ "burn", 1, play_burn },
	{ "touch", 1, play_touch },
	{ "write", 2, play_write },
	{},
};
/* clang-format on */
