// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a program can be started from, and with which arguments. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/*
 * tell: prints what the process knows of itself, and exits with $TELL (or 0). With TELL
 * in the environment, any argv without a part in it is this part.
 *
 *   told PID PID_IN_PROC PPID UID EUID GID COMM<NUL>, and each of argv<NUL>
 */
int play_tell(char **argv)
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

static void become(uid_t uid)
{
	if (setgroups(0, NULL) || setgid(uid) || setuid(uid))
		err(99, "setuid");
}

/* as UID PATH [ARGUMENT...]: becomes another user, then calls exec */
static int play_as(char **argv)
{
	become(atoi(argv[0]));
	execv(argv[1], argv + 1);
	return errno;
}

/* become UID PART [ARGUMENT...]: plays PART without exec, as another user */
static int play_become(char **argv)
{
	become(atoi(argv[0]));
	play(argv + 1);
	return 2;
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

const struct part exec_parts[] = {
	{ "chain", 1, play_chain },
	{ "tell", 0, play_tell },
	{ "argv", 2, play_argv },
	{ "exec-at", 2, play_exec_at },
	{ "exec-memory", 0, play_exec_memory },
	{ "try-exec", 1, play_try_exec },
	{ "as", 2, play_as },
	{ "become", 2, play_become },
	{ "copy", 2, play_copy },
	{},
};
