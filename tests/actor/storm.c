// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Storms, and many processes alive. */
#include "actor.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * A program that only calls exit_group(0), made by hand: under a hypervisor, a static C
 * library takes three times as long to start as the kernel takes for all the rest.
 */
#if defined(__x86_64__)
#define TINY_MACHINE EM_X86_64
#define TINY_CODE "\xb8\xe7\0\0\0\x31\xff\x0f\x05" /* mov $231,%eax; xor %edi,%edi; syscall */
#elif defined(__aarch64__)
#define TINY_MACHINE EM_AARCH64
#define TINY_CODE "\xc8\x0b\x80\xd2\0\0\x80\xd2\x01\0\0\xd4" /* mov x8, 94; mov x0, 0; svc 0 */
#endif

static const char *tiny_program(void)
{
#ifdef TINY_CODE
	enum { ADDRESS = 0x400000 };
	static const struct {
		Elf64_Ehdr head;
		Elf64_Phdr load;
		char code[sizeof(TINY_CODE)];
	} file = {
		.head = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = TINY_MACHINE,
			.e_version = EV_CURRENT,
			.e_entry = ADDRESS + sizeof(file.head) + sizeof(file.load),
			.e_phoff = sizeof(file.head),
			.e_ehsize = sizeof(file.head),
			.e_phentsize = sizeof(file.load),
			.e_phnum = 1,
		},
		.load = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_vaddr = ADDRESS,
			.p_filesz = sizeof(file),
			.p_memsz = sizeof(file),
			.p_align = 0x10000,
		},
		.code = TINY_CODE,
	};
	static char path[32];
	int writable = memfd_create("tiny", MFD_CLOEXEC);

	if (writable < 0 || write(writable, &file, sizeof(file)) != sizeof(file))
		err(99, "memfd");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", writable);
	/* A file that is open for writing can't be executed. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", open(path, O_RDONLY | O_CLOEXEC));
	close(writable);
	return path;
#else
	return "/proc/self/exe";
#endif
}

/* A storm: each job starts `tiny exit 0`, waits for its end, and starts the next one. */
static struct {
	atomic_long todo;
	atomic_long done;
	time_t end; /* 0: when all is done */
	useconds_t pause;
	const char *program;
} storm;

static void *storm_job(void *unused)
{
	char *args[] = { "tiny", "exit", "0", NULL };
	struct timespec now;
	pid_t pid;

	while (atomic_fetch_sub(&storm.todo, 1) > 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (storm.end && now.tv_sec >= storm.end)
			break;
		if (posix_spawn(&pid, storm.program, NULL, NULL, args, environ))
			errx(99, "posix_spawn");
		if (waitpid(pid, NULL, 0) < 0)
			err(99, "waitpid");
		atomic_fetch_add(&storm.done, 1);
		if (storm.pause)
			usleep(storm.pause);
	}
	return unused;
}

static void run_storm(int jobs)
{
	pthread_t others[jobs];

	storm.program = tiny_program();
	/* Threads, so that all processes have the same parent; the main thread is a job too. */
	for (int i = 1; i < jobs; i++)
		if (pthread_create(&others[i], NULL, storm_job, NULL))
			errx(99, "pthread_create");
	storm_job(NULL);
	for (int i = 1; i < jobs; i++)
		pthread_join(others[i], NULL);
}

/* storm N [JOBS]: N runs of `tiny exit 0` at full speed, JOBS (or 1) at a time */
static int play_storm(char **argv)
{
	storm.todo = atol(argv[0]);
	run_storm(argv[1] ? atoi(argv[1]) : 1);
	return 0;
}

/* families N CHILDREN: N processes at the same time, each of which plays `storm CHILDREN` */
static int play_families(char **argv)
{
	int n = atoi(argv[0]);
	pid_t parents[n];

	for (int i = 0; i < n; i++) {
		parents[i] = fork();
		if (parents[i] < 0)
			err(99, "fork");
		if (parents[i] == 0) {
			play((char *[]){ "storm", argv[1], NULL });
			_exit(2);
		}
	}
	for (int i = 0; i < n; i++)
		reap("parent", parents[i]);
	return 0;
}

/* storm-for SECONDS JOBS PAUSE: so many seconds; a pause (in us) after each; prints their number */
static int play_storm_for(char **argv)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	storm.end = now.tv_sec + 1 + atoi(argv[0]);
	storm.todo = LONG_MAX;
	storm.pause = atoi(argv[2]);
	run_storm(atoi(argv[1]));
	printf("%ld\n", storm.done);
	return 0;
}

/* What the parent knows of a process of a log-storm: its pid, and UTC before and after, in ns. */
static struct entry {
	pid_t pid;
	long long before, after;
} entries[1 << 21];
static atomic_size_t entry_count;

static long long utc_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void *log_storm_job(void *unused)
{
	char *args[] = { "tiny", "exit", "0", NULL };

	while (storm.todo) {
		struct entry entry = { .before = utc_ns() };

		if (posix_spawn(&entry.pid, storm.program, NULL, NULL, args, environ))
			errx(99, "posix_spawn");
		if (waitpid(entry.pid, NULL, 0) < 0)
			err(99, "waitpid");
		entry.after = utc_ns();
		entries[atomic_fetch_add(&entry_count, 1) % LENGTH(entries)] = entry;
	}
	return unused;
}

/* log-storm JOBS: until stdin ends; then prints of each process:  PID BEFORE AFTER */
static int play_log_storm(char **argv)
{
	int jobs = atoi(argv[0]);
	pthread_t threads[jobs];

	storm.program = tiny_program();
	storm.todo = 1;
	for (int i = 0; i < jobs; i++)
		if (pthread_create(&threads[i], NULL, log_storm_job, NULL))
			errx(99, "pthread_create");
	puts("begun");
	wait_for_end_of(STDIN_FILENO);
	storm.todo = 0;
	for (int i = 0; i < jobs; i++)
		pthread_join(threads[i], NULL);
	if (entry_count > LENGTH(entries))
		errx(99, "more than %zu processes", LENGTH(entries));
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (size_t i = 0; i < entry_count; i++)
		printf("%d %lld %lld\n", entries[i].pid, entries[i].before, entries[i].after);
	return 0;
}

/*
 * alive N [BYTES]: N processes that sleep until stdin ends, each with an argument of so many
 * bytes; prints a line when all are there
 */
static int play_alive(char **argv)
{
	char *args[] = { "actor", "wait", "exit", "0", NULL, NULL };
	long n = atol(argv[0]);
	pid_t pid;

	if (argv[1]) {
		size_t size = atol(argv[1]);

		args[4] = calloc(1, size);
		if (!args[4])
			err(99, "calloc");
		memset(args[4], 'x', size - 1);
	}

	for (long i = 0; i < n; i++)
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ))
			errx(99, "posix_spawn after %ld", i);
	puts("alive");
	wait_for_end_of(STDIN_FILENO);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

const struct part storm_parts[] = {
	{ "storm", 1, play_storm },	    { "families", 2, play_families },
	{ "storm-for", 3, play_storm_for }, { "log-storm", 1, play_log_storm },
	{ "alive", 1, play_alive },	    {},
};
