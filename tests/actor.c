// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plays the parts of processes that are hard to watch:  actor PART [ARGUMENT...]
 *
 * Static, so that it starts fast, and needs nothing in an otherwise empty root.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <link.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

extern char **environ;

static void play(char **argv);

/* Waits for a child (-1: for any), and prints what its parent is told:  ended NAME PID STATUS */
static void reap(const char *name, pid_t pid)
{
	int status;

	pid = waitpid(pid, &status, __WALL);
	if (pid < 0)
		err(99, "waitpid");
	printf("ended %s %d %d\n", name, pid, status);
}

/* Until nobody has the other end of a pipe open any more. */
static void wait_for_end_of(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

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

/* chain N: N more execs in one pid, then exit 0 */
static int play_chain(char **argv)
{
	char count[12];
	int n = atoi(argv[0]);

	if (n == 0)
		return 0;
	snprintf(count, sizeof(count), "%d", n - 1);
	execl("/proc/self/exe", "actor", "chain", count, NULL);
	err(99, "exec");
}

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

static void *thread_until_eof(void *code)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(atoi(code));
}

/* headless CODE: the main thread leaves, the last one exits with CODE when stdin ends */
static int play_headless(char **argv)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_until_eof, argv[0]))
		errx(99, "pthread_create");
	pthread_exit(NULL);
}

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

/* alive N: N processes that sleep until stdin ends; prints a line when all are there */
static int play_alive(char **argv)
{
	char *args[] = { "actor", "wait", "exit", "0", NULL };
	long n = atol(argv[0]);
	pid_t pid;

	for (long i = 0; i < n; i++)
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ))
			errx(99, "posix_spawn after %ld", i);
	puts("alive");
	wait_for_end_of(STDIN_FILENO);
	while (waitpid(-1, NULL, 0) > 0)
		;
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

/*
 * tell: prints what the process knows of itself, and exits with $TELL (or 0). With TELL
 * in the environment, any argv without a part in it is this part.
 *
 *   told PID PID_IN_PROC PPID UID EUID GID COMM<NUL>, and each of argv<NUL>
 */
static int play_tell(char **argv)
{
	char self[12] = "", comm[17] = "";

	/* /proc belongs to one pid namespace, whichever reads it. */
	if (readlink("/proc/self", self, sizeof(self) - 1) < 0)
		err(99, "/proc/self");
	prctl(PR_GET_NAME, comm);
	printf("told %d %s %d %d %d %d %s%c", getpid(), self, getppid(), getuid(), geteuid(),
	       getgid(), comm, 0);
	for (; *argv; argv++)
		fwrite(*argv, 1, strlen(*argv) + 1, stdout);
	putchar('\n');
	return atoi(getenv("TELL") ?: "0");
}

/* wait PART [ARGUMENT...]: plays PART at the end of stdin */
static int play_wait(char **argv)
{
	wait_for_end_of(STDIN_FILENO);
	play(argv);
	return 2;
}

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

/* linger MILLISECONDS CODE */
static int play_linger(char **argv)
{
	usleep(atoi(argv[0]) * 1000);
	return atoi(argv[1]);
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
	while (getppid() == atoi(argv[0]))
		usleep(1000);
	return atoi(argv[1]);
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

/* argv COUNT LENGTH: exec with COUNT arguments of LENGTH bytes; fails with errno as code */
static int play_argv(char **argv)
{
	size_t count = atoi(argv[0]), length = atoi(argv[1]);
	char **args = calloc(count + 1, sizeof(*args));

	/* A quarter of the stack's limit (and at most 6 MiB) is the limit of all arguments. */
	if (setrlimit(RLIMIT_STACK, &(struct rlimit){ 64 << 20, 64 << 20 }))
		err(99, "setrlimit");
	for (size_t i = 0; args && i < count; i++) {
		args[i] = calloc(length + 1, 1);
		if (!args[i])
			err(99, "calloc");
		memset(args[i], 'a' + i % 26, length);
	}
	execv("/proc/self/exe", args);
	return errno;
}

/* exec-at DIR NAME [ARGUMENT...]: execveat; prints the file descriptor of DIR */
static int play_exec_at(char **argv)
{
	int dir = open(argv[0], O_PATH | O_DIRECTORY);

	if (dir < 0)
		err(99, "%s", argv[0]);
	printf("fd %d\n", dir);
	syscall(SYS_execveat, dir, argv[1], argv + 1, environ, 0);
	return errno;
}

static void copy_myself_to(int to)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t copied;

	if (from < 0)
		err(99, "/proc/self/exe");
	do {
		copied = sendfile(to, from, NULL, 1 << 20);
		if (copied < 0)
			err(99, "sendfile");
	} while (copied > 0);
	close(from);
}

/* exec-memory [ARGUMENT...]: fexecve of a memfd; prints its file descriptor */
static int play_exec_memory(char **argv)
{
	int fd = memfd_create("from memory", 0);

	if (fd < 0)
		err(99, "memfd_create");
	copy_myself_to(fd);
	printf("fd %d\n", fd);
	fexecve(fd, argv - 1, environ);
	return errno;
}

/* try-exec PATH: fails with errno as code */
static int play_try_exec(char **argv)
{
	execl(argv[0], argv[0], NULL);
	return errno;
}

/* as UID PATH [ARGUMENT...]: becomes another user, then calls exec */
static int play_as(char **argv)
{
	if (setgroups(0, NULL) || setgid(atoi(argv[0])) || setuid(atoi(argv[0])))
		err(99, "setuid");
	execv(argv[1], argv + 1);
	return errno;
}

/*
 * copy HOW PATH: a copy of the actor. `whole`, or so `broken` that exec finds out when
 * the old program is gone already.
 */
static int play_copy(char **argv)
{
	int fd = open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0755);
	ElfW(Ehdr) elf;
	ElfW(Phdr) part;
	off_t at;

	if (fd < 0)
		err(99, "%s", argv[1]);
	copy_myself_to(fd);
	if (!strcmp(argv[0], "whole"))
		return 0;
	if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf))
		err(99, "%s", argv[1]);
	for (int i = 0; i < elf.e_phnum; i++) {
		at = elf.e_phoff + i * sizeof(part);
		if (pread(fd, &part, sizeof(part), at) != sizeof(part))
			err(99, "%s", argv[1]);
		if (part.p_type != PT_LOAD)
			continue;
		part.p_vaddr = -(ElfW(Addr))part.p_align * 1024; /* where the kernel lives */
		if (pwrite(fd, &part, sizeof(part), at) != sizeof(part))
			err(99, "%s", argv[1]);
	}
	return 0;
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

/* abandon CODE: exits while a child lives on, for ever: for the first of a pid namespace */
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
		for (;;)
			pause();
	}
	close(untold[1]);
	wait_for_end_of(untold[0]);
	return atoi(argv[0]);
}

/* burn MS: keeps a CPU busy until the process has used that much of it */
static int play_burn(char **argv)
{
	clock_t end = (clock_t)atol(argv[0]) * (CLOCKS_PER_SEC / 1000);

	while (clock() < end)
		;
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

static const struct {
	const char *name;
	int arguments;
	int (*play)(char **argv);
} parts[] = {
	{ "exit", 1, play_exit },
	{ "burn", 1, play_burn },
	{ "touch", 1, play_touch },
	{ "write", 2, play_write },
	{ "signal", 1, play_signal },
	{ "chain", 1, play_chain },
	{ "thread-exec", 1, play_thread_exec },
	{ "headless", 1, play_headless },
	{ "storm", 1, play_storm },
	{ "storm-for", 3, play_storm_for },
	{ "alive", 1, play_alive },
	{ "as-pid", 2, play_as_pid },
	{ "tell", 0, play_tell },
	{ "wait", 1, play_wait },
	{ "forked", 1, play_forked },
	{ "linger", 2, play_linger },
	{ "births", 1, play_births },
	{ "daemon", 2, play_daemon },
	{ "orphan", 2, play_orphan },
	{ "traced", 1, play_traced },
	{ "last-thread", 2, play_last_thread },
	{ "crowd", 3, play_crowd },
	{ "signals", 2, play_signals },
	{ "crash", 1, play_crash },
	{ "hog", 1, play_hog },
	{ "argv", 2, play_argv },
	{ "exec-at", 2, play_exec_at },
	{ "exec-memory", 0, play_exec_memory },
	{ "try-exec", 1, play_try_exec },
	{ "as", 2, play_as },
	{ "copy", 2, play_copy },
	{ "reuse", 2, play_reuse },
	{ "namespace", 2, play_namespace },
	{ "abandon", 1, play_abandon },
};

/* Plays argv[0], and exits as it does. Returns if that is no part. */
static void play(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	for (size_t i = 0; argc > 0 && i < LENGTH(parts); i++)
		if (!strcmp(argv[0], parts[i].name) && argc - 1 >= parts[i].arguments)
			exit(parts[i].play(argv + 1));
}

int main(int argc, char **argv)
{
	setlinebuf(stdout); /* a fork must not copy what is not written yet */
	if (argc > 1)
		play(argv + 1);
	if (getenv("TELL"))
		return play_tell(argv);
	fprintf(stderr, "usage: actor PART [ARGUMENT...], with PART one of\n");
	for (size_t i = 0; i < LENGTH(parts); i++)
		fprintf(stderr, "  %s\n", parts[i].name);
	return 2;
}
