/* What a process and its children have used: CPU time and memory, from /proc. */
#ifndef USAGE_H
#define USAGE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct usage {
	double user, system;      /* seconds, in ticks of 10 ms; ended threads count */
	double run;               /* seconds to the nanosecond; living threads only */
	long rss_kb;
};

static int slurp(const char *path, char *text, int size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	int n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static void usage_of_process(int pid, struct usage *u)
{
	char path[64], text[1024];
	unsigned long user, system;
	long pages;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (!slurp(path, text, sizeof text))
		return;
	/* Fields 14, 15 and 24 of proc_pid_stat(5). The name, field 2, may hold
	 * blanks and brackets, so the count begins behind its last bracket. */
	char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
	                    " %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
	                    &user, &system, &pages) != 3)
		return;
	double tick = sysconf(_SC_CLK_TCK);
	u->user += user / tick;
	u->system += system / tick;
	u->rss_kb += pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void usage_of_tree(int pid, struct usage *u);

static void usage_of_thread(int pid, const char *thread, struct usage *u)
{
	char path[96], text[1024];
	snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, thread);
	if (slurp(path, text, sizeof text))
		u->run += strtoull(text, NULL, 10) / 1e9;
	snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", pid, thread);
	if (!slurp(path, text, sizeof text))
		return;
	for (char *at = text, *end; ; at = end) {
		int child = strtol(at, &end, 10);
		if (end == at)
			return;
		usage_of_tree(child, u);
	}
}

static void usage_of_tree(int pid, struct usage *u)
{
	char path[64];
	usage_of_process(pid, u);
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *threads = opendir(path);
	if (!threads)
		return;
	for (struct dirent *entry; (entry = readdir(threads)); )
		if (entry->d_name[0] != '.')
			usage_of_thread(pid, entry->d_name, u);
	closedir(threads);
}

/* The tree under pid, as it is now; all zero when pid is 0 or gone. */
static struct usage usage_now(int pid)
{
	struct usage u = { 0 };
	if (pid)
		usage_of_tree(pid, &u);
	return u;
}

/* CPU seconds between two samples. Ticks are coarse and run times forget the
 * threads that ended: run times hold unless ticks exceed them by two ticks. */
static double usage_cpu(const struct usage *from, const struct usage *to)
{
	double ticks = to->user - from->user + to->system - from->system;
	double run = to->run - from->run;
	return ticks > run + 0.02 ? ticks : run;
}

#endif
