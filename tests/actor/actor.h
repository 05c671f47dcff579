// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the files of the actor share. */
#pragma once

#define _GNU_SOURCE
#include <err.h>
#include <sys/types.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* A part, and how many arguments it needs. What it returns is the exit code. */
struct part {
	const char *name;
	int arguments;
	int (*play)(char **argv);
};

/* Each list ends with a part without a name. */
extern const struct part births_parts[], ends_parts[], exec_parts[], hostile_parts[], names_parts[],
	namespaces_parts[], storm_parts[], threads_parts[];

extern char **environ;

/* Plays argv[0], and exits as it does. Returns if that is no part. */
void play(char **argv);

/* The part `tell`, which is also played where the name of a part can't be given. */
int play_tell(char **argv);

/* Waits for a child (-1: for any), and prints what its parent is told:  ended NAME PID STATUS */
void reap(const char *name, pid_t pid);

/* Until nobody has the other end of a pipe open any more. */
void wait_for_end_of(int fd);
