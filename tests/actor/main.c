// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plays the parts of processes that are hard to watch:  actor PART [ARGUMENT...]
 *
 * Static, so that it starts fast, and needs nothing in an otherwise empty root.
 */
#include "actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void reap(const char *name, pid_t pid)
{
	int status;

	pid = waitpid(pid, &status, __WALL);
	if (pid < 0)
		err(99, "waitpid");
	printf("ended %s %d %d\n", name, pid, status);
}

void wait_for_end_of(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

/* wait PART [ARGUMENT...]: plays PART at the end of stdin */
static int play_wait(char **argv)
{
	wait_for_end_of(STDIN_FILENO);
	play(argv);
	return 2;
}

/* sleep [ARGUMENT...]: until it is killed; ten minutes, if nobody does */
static int play_sleep(char **argv)
{
	(void)argv;
	sleep(600);
	return 97;
}

static const struct part own_parts[] = {
	{ "wait", 1, play_wait },
	{ "sleep", 0, play_sleep },
	{},
};

static const struct part *const lists[] = {
	own_parts,   births_parts,     ends_parts,  exec_parts,	   hostile_parts,
	names_parts, namespaces_parts, storm_parts, threads_parts,
};

void play(char **argv)
{
	int arguments = -1;

	while (argv[arguments + 1])
		arguments++;
	if (arguments < 0)
		return;
	for (size_t i = 0; i < LENGTH(lists); i++)
		for (const struct part *part = lists[i]; part->name; part++)
			if (!strcmp(argv[0], part->name) && arguments >= part->arguments)
				exit(part->play(argv + 1));
}

int main(int argc, char **argv)
{
	setlinebuf(stdout); /* a fork must not copy what is not written yet */
	if (argc > 1)
		play(argv + 1);
	if (getenv("TELL"))
		return play_tell(argv);
	fprintf(stderr, "usage: actor PART [ARGUMENT...], with PART one of\n");
	for (size_t i = 0; i < LENGTH(lists); i++)
		for (const struct part *part = lists[i]; part->name; part++)
			fprintf(stderr, "  %s\n", part->name);
	return 2;
}
