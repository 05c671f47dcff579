// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a user who is not root may do to be taken for somebody else, or to be overlooked. */
#include "actor.h"

#include <linux/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* rename NAME CODE */
static int play_rename(char **argv)
{
	prctl(PR_SET_NAME, argv[0]);
	return atoi(argv[1]);
}

/* Tells the kernel that the arguments are elsewhere; false where it does not allow that. */
static int move_arguments(char *start, size_t size)
{
	struct prctl_mm_map map = { .exe_fd = -1 };
	unsigned long long field[52] = {};
	FILE *stat = fopen("/proc/self/stat", "r");

	/* The name (2) and the state (3) are no numbers. */
	if (!stat || fscanf(stat, "%llu %*s %*s", &field[1]) != 1)
		err(99, "/proc/self/stat");
	for (size_t i = 4; i < LENGTH(field); i++)
		if (fscanf(stat, "%lld", (long long *)&field[i]) != 1)
			errx(99, "/proc/self/stat has no field %zu", i);
	fclose(stat);
	map.start_code = field[26];
	map.end_code = field[27];
	map.start_stack = field[28];
	map.start_data = field[45];
	map.end_data = field[46];
	map.start_brk = field[47];
	map.brk = (uintptr_t)sbrk(0);
	map.arg_start = (uintptr_t)start;
	map.arg_end = (uintptr_t)start + size;
	map.env_start = field[50];
	map.env_end = field[51];
	return !prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

/*
 * retitle HOW FROM FILL LAST [ARGUMENT...]: overwrites its arguments from byte FROM on with
 * bytes FILL, and the last one with LAST; where they are (`in-place`), or a copy that becomes
 * its arguments (`moved`). Says that it is done, and exits at the end of stdin.
 */
static int play_retitle(char **argv)
{
	size_t from = atoi(argv[1]), size;
	char *start = argv[-2], **last = argv;
	int done = 1;

	while (last[1])
		last++;
	size = *last + strlen(*last) + 1 - start;
	if (!strcmp(argv[0], "moved")) {
		char *copy = malloc(size);

		if (!copy)
			err(99, "malloc");
		memcpy(copy, start, size);
		done = move_arguments(copy, size);
		start = copy;
	}
	int fill = atoi(argv[2]), end = atoi(argv[3]); /* these are overwritten, too */

	memset(start + from, fill, size - 1 - from);
	start[size - 1] = end;
	puts(done ? "done" : "refused");
	wait_for_end_of(STDIN_FILENO);
	return 6;
}

static struct {
	atomic_long forks;
	atomic_long told; /* of a child that exited with 7 */
} * bomb;

static void wait_for_one(void)
{
	int status;

	if (wait(&status) < 0)
		err(99, "wait");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
		atomic_fetch_add(&bomb->told, 1);
}

/* Each child forks as its parent does; where the limit is reached, those without a child leave. */
static void explode(long most)
{
	long children = 0;

	while (atomic_load(&bomb->forks) < most) {
		pid_t pid = fork();

		if (pid == 0) {
			children = 0;
		} else if (pid > 0) {
			atomic_fetch_add(&bomb->forks, 1);
			children++;
		} else if (children) {
			wait_for_one();
			children--;
		} else {
			break;
		}
	}
	while (children--)
		wait_for_one();
	_exit(7);
}

/*
 * fork-bomb N LIMIT: some more than N forks, of which no more than LIMIT are there at once.
 * Prints how many exits their parents were told of.
 */
static int play_fork_bomb(char **argv)
{
	struct rlimit limit = { atoi(argv[1]), atoi(argv[1]) };
	pid_t pid;

	bomb = mmap(NULL, sizeof(*bomb), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bomb == MAP_FAILED || setrlimit(RLIMIT_NPROC, &limit))
		err(99, "fork-bomb");
	pid = fork();
	if (pid < 0)
		err(99, "fork");
	if (pid == 0)
		explode(atoi(argv[0]));
	wait_for_one();
	printf("%ld\n", bomb->told);
	return bomb->told == bomb->forks + 1 ? 0 : 98;
}

/* hog-all: asks to be the first victim, and eats all memory that there is */
static int play_hog_all(char **argv)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "w");
	const size_t mib = 1 << 20;

	(void)argv;
	if (!file || fputs("1000", file) < 0 || fclose(file))
		err(99, "oom_score_adj");
	for (;;) {
		char *food =
			mmap(NULL, mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (food == MAP_FAILED)
			err(99, "mmap");
		memset(food, 1, mib);
	}
}

static int gate[2];

static void *leave_alone(void *number)
{
	wait_for_end_of(gate[0]);
	syscall(SYS_exit, 1 + (int)(intptr_t)number % 90); /* 97 and more say what went wrong */
	return NULL;
}

static void *exec_alone(void *number)
{
	char code[12];

	wait_for_end_of(gate[0]);
	snprintf(code, sizeof(code), "%d", 1 + (int)(intptr_t)number % 90);
	execl("/proc/self/exe", "actor", "exit", code, NULL);
	err(99, "exec");
}

/* So many threads with small stacks, which wait for the gate to open. */
static void start_threads(int count, void *(*run)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	if (pipe2(gate, 0))
		err(99, "pipe");
	for (intptr_t n = 0; n < count; n++)
		if (pthread_create(&thread, &attributes, run, (void *)n))
			errx(99, "pthread_create after %d", (int)n);
}

/*
 * many-leave N HOW: N threads leave at once, each with its own code; the main one, too (`exit`),
 * or it ends the process with 104 (`exit_group`) or by SIGKILL (`kill`)
 */
static int play_many_leave(char **argv)
{
	start_threads(atoi(argv[0]), leave_alone);
	close(gate[1]);
	if (!strcmp(argv[1], "exit_group"))
		_exit(104);
	if (!strcmp(argv[1], "kill"))
		kill(getpid(), SIGKILL);
	syscall(SYS_exit, 103);
	return 98;
}

/* many-exec N: N threads call exec at once; the new program exits with the winner's code */
static int play_many_exec(char **argv)
{
	start_threads(atoi(argv[0]), exec_alone);
	close(gate[1]);
	sleep(600);
	return 97;
}

/* stopped PART [ARGUMENT...]: a child plays PART; it and its children stop and go on all the time */
static int play_stopped(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(99, "fork");
	if (pid == 0) {
		setpgid(0, 0);
		play(argv);
		_exit(2);
	}
	setpgid(pid, pid);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		for (int i = 0; i < 20; i++) {
			kill(-pid, SIGSTOP);
			kill(-pid, SIGCONT);
		}
		usleep(500); /* on one CPU it would never get on */
	}
	printf("ended stopped %d %d\n", pid, status);
	return 0;
}

const struct part hostile_parts[] = {
	{ "rename", 2, play_rename },	      { "retitle", 4, play_retitle },
	{ "hog-all", 0, play_hog_all },	      { "fork-bomb", 2, play_fork_bomb },
	{ "many-leave", 2, play_many_leave }, { "many-exec", 1, play_many_exec },
	{ "stopped", 1, play_stopped },	      {},
};
