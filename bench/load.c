/* load - watches one MJPEG stream with many viewers at once, and measures it.
 *
 *     cc -O2 -o load load.c
 *     load --port 8001 --path /api/robot/stream --viewers 400 --pid SERVER
 *
 * With --live 1 the path is the live channel's: PINGs are answered, and pictures that
 * are to be acknowledged are, as soon as they are whole. Nothing is drawn.
 *
 * One thread, one epoll. The middle of each JPEG is dropped in the kernel
 * (recv with MSG_TRUNC, see tcp(7)), so that the client stays cheap beside the
 * server that it measures. Prints one JSON object of numbers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "samples.h"
#include "stream.h"
#include "usage.h"

enum kind { WATCHING, SLOW, PASSING };   /* PASSING: one picture, then gone */
enum state { CLOSED, CONNECTING, OPEN };
enum { MARKS = 4, EVENTS = 512, HOP = 512, SKIP_FROM = 1024, PASSING_AT_ONCE = 256 };

struct viewer {
	struct stream stream;     /* first: a stream is cast back to its viewer */
	int fd;
	enum kind kind;
	enum state state;
	int pictures;             /* since it connected */
	double asked;             /* when connect() was called, steady seconds */
	double last;              /* arrival of its last new picture, or 0 */
	long last_number;
	double allowance;         /* bytes that a slow viewer may read now */
	long frames;              /* new pictures within the window */
};

struct age { float arrived, age; };

static struct {
	const char *host, *path;
	int port, http10, live, viewers, slow, streams, slow_rcvbuf, sources, inflight, pid;
	double seconds, settle, wait, slow_rate, passing_rate, bar;
	double mark[MARKS];
	int marks;
} option = {
	.host = "127.0.0.1", .path = "/", .port = 8001, .viewers = 1,
	.slow_rcvbuf = 32768, .sources = 1, .streams = 1, .inflight = 64, .seconds = 10,
	.settle = 1, .wait = 20, .slow_rate = 20000, .bar = 14.7,
};

static struct viewer *viewers;
static int all_viewers, poll_fd, in_window, opening;
static double now, window_began;

static struct samples gaps, lateness, first_pictures;
static struct age *ages;
static long age_count, age_room;
static long frames, repeats, skipped, damaged, slow_frames, passed, acks;
static long long bytes;
static long refused, http_errors, broken, dropped;

static double clock_seconds(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* ---- one picture ---- */

static void note_age(double age)
{
	if (age_count == age_room) {
		age_room = age_room ? 2 * age_room : 1024;
		ages = realloc(ages, age_room * sizeof *ages);
		if (!ages)
			exit(2);
	}
	ages[age_count++] = (struct age){ now - window_began, age };
}

static void note_arrival(struct viewer *v, long missed)
{
	const struct stream *s = &v->stream;
	double age = clock_seconds(CLOCK_REALTIME) - s->captured;
	v->frames++;
	if (v->kind == SLOW) {
		slow_frames++;
		if (s->captured > 0)
			note_age(age);
		return;
	}
	frames++;
	skipped += missed;
	if (v->last > 0)
		samples_add(&gaps, now - v->last);
	/* The first picture comes from the server's store and may be any age. */
	if (s->captured > 0 && v->pictures > 0)
		samples_add(&lateness, age);
}

static void note_first(struct viewer *v)
{
	if (v->kind == WATCHING)
		opening--;
	/* Passing viewers measure a server at work; the others only its start. */
	if (v->kind == PASSING ? in_window : !option.passing_rate)
		samples_add(&first_pictures, now - v->asked);
}

static void stream_part(struct stream *s)
{
	struct viewer *v = (struct viewer *)s;
	int repeated = v->pictures && s->number >= 0 && s->number == v->last_number;
	long missed = v->pictures && s->number > v->last_number
	              ? s->number - v->last_number - 1 : 0;
	now = clock_seconds(CLOCK_MONOTONIC);
	if (in_window && !stream_whole(s))
		damaged++;
	if (in_window && repeated)
		repeats++;
	else if (in_window)
		note_arrival(v, missed);
	if (!v->pictures++)
		note_first(v);
	if (!repeated)
		v->last = now;
	v->last_number = s->number;
}

/* Clients mask what they send (RFC 6455 5.3). */
static void stream_say(struct stream *s, int kind, const void *payload, int length)
{
	static const unsigned char mask[] = { 0x5a, 0xc3, 0x17, 0x88 };
	const unsigned char *plain = payload;
	unsigned char frame[6 + 125] = { kind, 0x80 | length };
	memcpy(frame + 2, mask, sizeof mask);
	for (int i = 0; i < length; i++)
		frame[6 + i] = plain[i] ^ mask[i % 4];
	acks += in_window && kind == TEXT;
	/* So little always fits, and a connection that is gone is noticed by its recv. */
	send(((struct viewer *)s)->fd, frame, 6 + length, MSG_NOSIGNAL);
}

/* ---- one connection ---- */

static void leave(struct viewer *v, long *counter)
{
	if (v->kind == WATCHING && !v->pictures && v->state != CLOSED)
		opening--;
	if (counter)
		++*counter;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	v->state = CLOSED;
}

static int viewer_socket(struct viewer *v)
{
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		perror("socket");
		exit(2);
	}
	if (option.live)
		/* As browsers do: else an acknowledgement waits for the PONG's own. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (v->kind == SLOW)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &option.slow_rcvbuf, sizeof(int));
	if (option.sources > 1) {
		/* 28,000 ports for each source address: ip_local_port_range. */
		struct sockaddr_in from = { .sin_family = AF_INET };
		uint32_t nth = (v - viewers) % option.sources;
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + nth);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		bind(fd, (struct sockaddr *)&from, sizeof from);
	}
	return fd;
}

static void enter(struct viewer *v)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = v };
	to.sin_port = htons(option.port);
	inet_pton(AF_INET, option.host, &to.sin_addr);
	stream_start(&v->stream);
	v->fd = viewer_socket(v);
	v->state = CONNECTING;
	v->pictures = 0;
	v->last = v->allowance = 0;
	v->asked = clock_seconds(CLOCK_MONOTONIC);
	if (v->kind == WATCHING)
		opening++;
	if (connect(v->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
		leave(v, &refused);
	else
		epoll_ctl(poll_fd, EPOLL_CTL_ADD, v->fd, &event);
}

static char request[1024];

/* A "{n}" in the path stands for one of the streams, each viewer for the next. */
static int write_request(const struct viewer *v)
{
	const char *mark = strstr(option.path, "{n}");
	char path[512];
	if (mark)
		snprintf(path, sizeof path, "%.*s%d%s", (int)(mark - option.path),
		         option.path, (int)((v - viewers) % option.streams), mark + 3);
	else
		snprintf(path, sizeof path, "%s", option.path);
	const char *upgrade = option.live ?
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: YmVuY2hiZW5jaGJlbmNoIQ==\r\n" : "";
	return snprintf(
		request, sizeof request, "GET %s HTTP/1.%d\r\nHost: %s:%d\r\n%s\r\n",
		path, !option.http10, option.host, option.port, upgrade);
}

static void connected(struct viewer *v)
{
	/* Slow viewers are read by the clock, not by what has come. */
	struct epoll_event event = {
		.events = v->kind == SLOW ? 0 : EPOLLIN, .data.ptr = v
	};
	int error = 0;
	socklen_t size = sizeof error;
	getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	int length = write_request(v);
	if (error || send(v->fd, request, length, MSG_NOSIGNAL) < length) {
		leave(v, &refused);
		return;
	}
	v->state = OPEN;
	epoll_ctl(poll_fd, EPOLL_CTL_MOD, v->fd, &event);
}

static void judge(struct viewer *v)
{
	if (v->stream.stage == ENDED)
		leave(v, &dropped);
	else if (v->stream.stage == BROKEN)
		leave(v, v->stream.status != 200 && v->stream.status != 101
		         ? &http_errors : &broken);
	else if (v->kind == PASSING && v->pictures) {
		passed += in_window;
		leave(v, NULL);
	}
}

/* One recv of at most `limit` bytes. True when more may be there at once. */
static int take(struct viewer *v, long limit, long *taken)
{
	static char data[HOP];
	long room = stream_room(&v->stream);
	int unseen = room >= SKIP_FROM;
	long want = unseen ? room : HOP;
	if (want > limit)
		want = limit;
	ssize_t n = recv(v->fd, unseen ? NULL : data, want,
	                 MSG_DONTWAIT | (unseen ? MSG_TRUNC : 0));
	*taken = n > 0 ? n : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		leave(v, &dropped);
		return 0;
	}
	if (in_window)
		bytes += n;
	if (unseen)
		stream_skip(&v->stream, n);
	else
		stream_feed(&v->stream, data, n);
	judge(v);
	return n == want && v->state == OPEN;
}

static void ready(struct viewer *v, unsigned events)
{
	long taken;
	if (v->state == CONNECTING)
		connected(v);
	else if (v->state == OPEN && v->kind == SLOW) {
		if (events & (EPOLLERR | EPOLLHUP))
			leave(v, &dropped);
	} else if (v->state == OPEN)
		/* Three reads take one picture: head, middle, tail. */
		for (int i = 0; i < 8 && take(v, 1L << 30, &taken); i++)
			;
}

/* ---- the loop ---- */

static void read_slowly(void)
{
	static double before;
	double passed_by = before ? now - before : 0;
	if (before && passed_by < 0.05)
		return;
	before = now;
	for (int i = 0; i < option.slow && i < option.viewers; i++) {
		struct viewer *v = viewers + i;
		long taken = 1;
		if (v->state != OPEN)
			continue;
		v->allowance += option.slow_rate * passed_by;
		/* Never more than a second's worth at once. */
		if (v->allowance > option.slow_rate)
			v->allowance = option.slow_rate;
		while (v->state == OPEN && taken && v->allowance >= 1) {
			take(v, v->allowance, &taken);
			v->allowance -= taken;
		}
	}
}

static void come_and_go(void)
{
	static double before, due;
	static int next;
	due += before ? (now - before) * option.passing_rate : 0;
	due = due > PASSING_AT_ONCE ? PASSING_AT_ONCE : due;
	before = now;
	for (int tried = 0; due >= 1 && tried < all_viewers - option.viewers; tried++) {
		struct viewer *v = viewers + option.viewers + next;
		next = (next + 1) % (all_viewers - option.viewers);
		if (v->state == CLOSED) {
			enter(v);
			due -= 1;
		}
	}
}

static void step(int milliseconds)
{
	static struct epoll_event event[EVENTS];
	int n = epoll_wait(poll_fd, event, EVENTS, milliseconds);
	for (int i = 0; i < n; i++)
		ready(event[i].data.ptr, event[i].events);
	now = clock_seconds(CLOCK_MONOTONIC);
	if (option.slow && option.slow_rate > 0)
		read_slowly();
}

/* Opens all viewers, a few at a time, until each has its first picture. */
static void open_all(void)
{
	double end = clock_seconds(CLOCK_MONOTONIC) + option.wait;
	for (int next = 0; now < end && (next < option.viewers || opening); ) {
		while (next < option.viewers && opening < option.inflight)
			enter(viewers + next++);
		step(10);
	}
}

static void run_for(double seconds)
{
	double end = clock_seconds(CLOCK_MONOTONIC) + seconds;
	int busy = option.slow || option.passing_rate;
	while ((now = clock_seconds(CLOCK_MONOTONIC)) < end) {
		double left = (end - now) * 1000 + 1;
		if (option.passing_rate)
			come_and_go();
		step(busy ? 2 : left < 100 ? (int)left : 100);
	}
}

/* ---- the figures ---- */

static void print_viewers(double window)
{
	struct samples rates = { 0 };
	int alive = 0, held = 0;
	for (int i = 0; i < option.viewers; i++) {
		alive += viewers[i].state == OPEN;
		if (viewers[i].kind != WATCHING)
			continue;
		samples_add(&rates, viewers[i].frames / window);
		held += viewers[i].frames / window >= option.bar;
	}
	samples_sort(&rates);
	printf("\"viewers\": %d, \"alive\": %d, \"held\": %d, ",
	       option.viewers, alive, held);
	if (rates.count)
		printf("\"fps_min\": %.3f, \"fps_median\": %.3f, ",
		       samples_at(&rates, 0), samples_at(&rates, .5));
}

/* Pictures of slow viewers that came in the last six seconds before a mark:
 * each of them brings three or so in that time, at two seconds a picture. */
static void print_mark(double mark)
{
	struct samples near = { 0 };
	for (long i = 0; i < age_count; i++)
		if (ages[i].arrived <= mark && ages[i].arrived > mark - 6)
			samples_add(&near, ages[i].age);
	char name[32];
	snprintf(name, sizeof name, "age_at_%.0f", mark);
	samples_print(&near, name, "s", 1);
}

static void print_slow(void)
{
	struct samples all = { 0 };
	for (long i = 0; i < age_count; i++)
		samples_add(&all, ages[i].age);
	samples_print(&all, "slow_age", "s", 1);
}

static void print_server(struct usage idle, struct usage from, struct usage to,
                         long peak)
{
	double cpu = usage_cpu(&from, &to);
	long delivered = frames + slow_frames;
	printf("\"cpu_s\": %.6f, \"user_s\": %.2f, \"system_s\": %.2f, ",
	       cpu, to.user - from.user, to.system - from.system);
	if (delivered)
		printf("\"us_per_frame\": %.4f, ", cpu * 1e6 / delivered);
	printf("\"rss_idle_kb\": %ld, \"rss_start_kb\": %ld, \"rss_end_kb\": %ld, "
	       "\"rss_peak_kb\": %ld, ", idle.rss_kb, from.rss_kb, to.rss_kb, peak);
}

static void print_counts(double window, double ramp, double own_cpu)
{
	printf("\"window_s\": %.3f, \"ramp_s\": %.3f, \"frames\": %ld, "
	       "\"slow_frames\": %ld, \"repeats\": %ld, \"skipped\": %ld, "
	       "\"bytes\": %lld, \"passed\": %ld, \"passed_per_s\": %.1f, \"acks\": %ld, ",
	       window, ramp, frames, slow_frames, repeats, skipped, bytes, passed,
	       passed / window, acks);
	printf("\"refused\": %ld, \"http_errors\": %ld, \"broken\": %ld, "
	       "\"dropped\": %ld, \"damaged\": %ld, \"client_cpu_s\": %.3f}\n",
	       refused, http_errors, broken, dropped, damaged, own_cpu);
}

/* ---- start ---- */

static void usage_error(void)
{
	fprintf(stderr,
	        "load --port N --path P [--host A] [--viewers N] [--seconds S]\n"
	        "     [--http10 1] [--pid SERVER] [--settle S] [--wait S] [--bar FPS]\n"
	        "     [--slow K --slow-rate BYTES --slow-rcvbuf BYTES] [--marks S,S]\n"
	        "     [--passing PER_SECOND] [--sources N] [--inflight N] [--streams N]\n"
	        "     [--live 1]\n");
	exit(2);
}

static void read_marks(char *text)
{
	for (char *at = strtok(text, ","); at && option.marks < MARKS;
	     at = strtok(NULL, ","))
		option.mark[option.marks++] = atof(at);
}

static void read_options(int count, char **word)
{
	static const struct { const char *name; int *number; double *amount; } known[] = {
		{ "port", &option.port, 0 }, { "viewers", &option.viewers, 0 },
		{ "live", &option.live, 0 },
		{ "http10", &option.http10, 0 }, { "pid", &option.pid, 0 },
		{ "slow", &option.slow, 0 }, { "slow-rcvbuf", &option.slow_rcvbuf, 0 },
		{ "sources", &option.sources, 0 }, { "streams", &option.streams, 0 }, { "inflight", &option.inflight, 0 },
		{ "seconds", 0, &option.seconds }, { "settle", 0, &option.settle },
		{ "wait", 0, &option.wait }, { "bar", 0, &option.bar },
		{ "slow-rate", 0, &option.slow_rate },
		{ "passing", 0, &option.passing_rate },
	};
	enum { KNOWN = sizeof known / sizeof *known };
	if (count % 2 == 0)
		usage_error();
	for (int i = 1; i < count; i += 2) {
		int k = 0;
		while (k < KNOWN && (strncmp(word[i], "--", 2)
		                     || strcmp(word[i] + 2, known[k].name)))
			k++;
		if (!strcmp(word[i], "--host"))
			option.host = word[i + 1];
		else if (!strcmp(word[i], "--path"))
			option.path = word[i + 1];
		else if (!strcmp(word[i], "--marks"))
			read_marks(word[i + 1]);
		else if (k == KNOWN)
			usage_error();
		else if (known[k].number)
			*known[k].number = atoi(word[i + 1]);
		else
			*known[k].amount = atof(word[i + 1]);
	}
}

static void prepare(void)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	all_viewers = option.viewers + (option.passing_rate ? PASSING_AT_ONCE : 0);
	viewers = calloc(all_viewers + 1, sizeof *viewers);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < all_viewers; i++) {
		viewers[i].fd = -1;
		viewers[i].kind = i >= option.viewers ? PASSING
		                  : i < option.slow ? SLOW : WATCHING;
	}
}

/* Watches for the window, and returns the most memory the server had in it. */
static long watch(struct usage from)
{
	long peak = from.rss_kb;
	for (double left = option.seconds; left > 0; left -= 1) {
		run_for(left < 1 ? left : 1);
		long rss = usage_now(option.pid).rss_kb;
		peak = rss > peak ? rss : peak;
	}
	return peak;
}

int main(int count, char **word)
{
	read_options(count, word);
	prepare();
	struct usage idle = usage_now(option.pid);
	double began = clock_seconds(CLOCK_MONOTONIC);
	open_all();
	double ramp = clock_seconds(CLOCK_MONOTONIC) - began;
	run_for(option.settle);

	struct usage from = usage_now(option.pid);
	double own = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	window_began = clock_seconds(CLOCK_MONOTONIC);
	in_window = 1;
	long peak = watch(from);
	in_window = 0;
	struct usage to = usage_now(option.pid);
	double window = clock_seconds(CLOCK_MONOTONIC) - window_began;
	own = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - own;

	printf("{");
	print_viewers(window);
	samples_print(&gaps, "gap", "ms", 1e3);
	samples_print(&lateness, "late", "ms", 1e3);
	samples_print(&first_pictures, "first", "ms", 1e3);
	for (int i = 0; i < option.marks; i++)
		print_mark(option.mark[i]);
	print_slow();
	print_server(idle, from, to, peak);
	print_counts(window, ramp, own);
	return 0;
}
