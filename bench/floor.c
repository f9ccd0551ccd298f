/* floor - the least that an MJPEG server can do, to hold others against.
 *
 *     cc -O2 -o floor floor.c
 *     floor ADDRESS PORT FOLDER FPS [NOTSENT_LOWAT]
 *
 * Sends the JPEG files of a folder, in order of name, to everybody who asks for
 * anything. Each part is built once per frame; each viewer costs one send() per
 * frame. A viewer that is still taking one gets the newest when it is done. With
 * NOTSENT_LOWAT (bytes), the kernel holds at most about that much unsent.
 * There are no keys, no time-outs, no counters: nothing but the way to the socket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
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
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* One frame's bytes as they leave: "SIZE CRLF block CRLF", an HTTP chunk. Viewers
 * of HTTP/1.0 get the block alone, which is the middle of the same bytes. */
struct frame {
	int holders;
	long number, length, block_at, block_length;
	char bytes[];
};

struct viewer {
	int fd, chunked, asked, waiting;
	long place;               /* its index among the viewers */
	struct frame *frame;      /* the one under way, or NULL */
	long at, end;             /* what is left of it: bytes[at..end) */
	long number;              /* of the last frame begun */
	int request_length;
	char request[1024];
};

struct picture { char *jpeg; long length; };

static struct picture *pictures;
static int picture_count;
static struct viewer **viewers;
static long viewer_count, viewer_room;
static struct frame *newest;
static int poll_fd, listener, timer, lowat;

static const char CHUNKED[] =
	"HTTP/1.1 200 OK\r\n"
	"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
	"Cache-Control: no-store\r\n"
	"Transfer-Encoding: chunked\r\n\r\n"
	"9\r\n--frame\r\n\r\n";
static const char PLAIN[] =
	"HTTP/1.0 200 OK\r\n"
	"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
	"Cache-Control: no-store\r\n\r\n"
	"--frame\r\n";

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- pictures ---- */

static struct picture load_picture(const char *folder, const char *name)
{
	char path[4096];
	struct picture p;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (!file)
		fail(path);
	fseek(file, 0, SEEK_END);
	p.length = ftell(file);
	rewind(file);
	p.jpeg = malloc(p.length);
	if (fread(p.jpeg, 1, p.length, file) != (size_t)p.length)
		fail(path);
	fclose(file);
	return p;
}

static int is_jpeg(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');
	return dot && !strcmp(dot, ".jpg");
}

static void load_pictures(const char *folder)
{
	struct dirent **names;
	picture_count = scandir(folder, &names, is_jpeg, alphasort);
	if (picture_count < 1)
		fail(folder);
	pictures = calloc(picture_count, sizeof *pictures);
	for (int i = 0; i < picture_count; i++)
		pictures[i] = load_picture(folder, names[i]->d_name);
}

/* ---- frames ---- */

static void release(struct frame *f)
{
	if (f && !--f->holders)
		free(f);
}

static struct frame *build(long number)
{
	const struct picture *p = &pictures[number % picture_count];
	struct frame *f = malloc(sizeof *f + p->length + 256);
	struct timespec t;
	char head[160], size[16];
	clock_gettime(CLOCK_REALTIME, &t);
	int head_length = snprintf(
		head, sizeof head, "Content-Type: image/jpeg\r\nContent-Length: %ld\r\n"
		"X-Timestamp: %lld.%06ld\r\nX-Frame: %ld\r\n\r\n",
		p->length, (long long)t.tv_sec, t.tv_nsec / 1000, number);
	f->holders = 1;
	f->number = number;
	f->block_length = head_length + p->length + strlen("\r\n--frame\r\n");
	f->block_at = snprintf(size, sizeof size, "%lx\r\n", f->block_length);
	char *end = mempcpy(f->bytes, size, f->block_at);
	end = mempcpy(end, head, head_length);
	end = mempcpy(end, p->jpeg, p->length);
	end = mempcpy(end, "\r\n--frame\r\n\r\n", 13);
	f->length = end - f->bytes;
	return f;
}

/* ---- viewers ---- */

static void leave(struct viewer *v)
{
	release(v->frame);
	close(v->fd);
	viewers[v->place] = viewers[--viewer_count];
	viewers[v->place]->place = v->place;
	free(v);
}

static void wait_for_room(struct viewer *v, int wait)
{
	struct epoll_event event = {
		.events = EPOLLIN | (wait ? EPOLLOUT : 0), .data.ptr = v
	};
	if (v->waiting != wait)
		epoll_ctl(poll_fd, EPOLL_CTL_MOD, v->fd, &event);
	v->waiting = wait;
}

static void begin(struct viewer *v, struct frame *f)
{
	v->frame = f;
	v->number = f->number;
	v->at = v->chunked ? 0 : f->block_at;
	v->end = v->chunked ? f->length : f->block_at + f->block_length;
	f->holders++;
}

/* Sends what the kernel takes. False when the viewer is gone. */
static int push(struct viewer *v)
{
	while (v->frame) {
		ssize_t n = send(v->fd, v->frame->bytes + v->at, v->end - v->at,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return 0;
		v->at += n > 0 ? n : 0;
		if (v->at < v->end) {
			wait_for_room(v, 1);
			return 1;
		}
		release(v->frame);
		v->frame = NULL;
		if (newest->number > v->number)
			begin(v, newest);
	}
	wait_for_room(v, 0);
	return 1;
}

static void publish(struct frame *f)
{
	release(newest);
	newest = f;
	for (long i = 0; i < viewer_count; i++) {
		struct viewer *v = viewers[i];
		if (!v->asked || v->frame)
			continue;
		begin(v, f);
		if (!push(v)) {
			leave(v);
			i--;
		}
	}
}

static void hear_of(int fd, void *who)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = who };
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void enter(int fd)
{
	int on = 1;
	struct viewer *v = calloc(1, sizeof *v);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (lowat)
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
	if (viewer_count == viewer_room) {
		viewer_room = viewer_room ? 2 * viewer_room : 1024;
		viewers = realloc(viewers, viewer_room * sizeof *viewers);
	}
	v->fd = fd;
	v->number = -1;
	v->place = viewer_count;
	viewers[viewer_count++] = v;
	hear_of(fd, v);
}

/* The whole request is there: answer, and show the newest frame at once. */
static int answer(struct viewer *v)
{
	v->chunked = strstr(v->request, " HTTP/1.1\r\n") != NULL;
	const char *head = v->chunked ? CHUNKED : PLAIN;
	if (send(v->fd, head, strlen(head), MSG_NOSIGNAL | MSG_MORE) < 0)
		return 0;
	v->asked = 1;
	begin(v, newest);
	return push(v);
}

static int hear(struct viewer *v)
{
	char ignored[256];
	int room = sizeof v->request - 1 - v->request_length;
	char *to = v->asked || !room ? ignored : v->request + v->request_length;
	ssize_t n = recv(v->fd, to, to == ignored ? (int)sizeof ignored : room,
	                 MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	if (to == ignored)
		return v->asked;
	v->request_length += n;
	return strstr(v->request, "\r\n\r\n") ? answer(v) : 1;
}

/* ---- the loop ---- */

static int listen_on(const char *address, int port)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, address, &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 1024))
		fail("listen");
	return fd;
}

static int tick_every(double seconds)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct timespec each = { .tv_sec = seconds,
	                         .tv_nsec = (seconds - (long)seconds) * 1e9 };
	struct itimerspec timer = { each, each };
	timerfd_settime(fd, 0, &timer, NULL);
	return fd;
}

static void serve(struct viewer *v, unsigned events)
{
	int here = 1;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		here = hear(v);
	if (here && events & EPOLLOUT)
		here = push(v);
	if (!here)
		leave(v);
}

static void accept_all(void)
{
	for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0; )
		enter(fd);
}

static void run(void)
{
	struct epoll_event event[256];
	uint64_t ticks;
	for (long number = 1; ; ) {
		int due = 0, n = epoll_wait(poll_fd, event, 256, -1);
		for (int i = 0; i < n; i++)
			if (event[i].data.ptr == &listener)
				accept_all();
			else if (event[i].data.ptr == &timer)
				due = 1;
			else
				serve(event[i].data.ptr, event[i].events);
		/* Last, for it frees viewers, which the events may name. */
		if (due && read(timer, &ticks, sizeof ticks) > 0)
			publish(build(number++));
	}
}

int main(int count, char **word)
{
	if (count < 5) {
		fprintf(stderr, "floor ADDRESS PORT FOLDER FPS [NOTSENT_LOWAT]\n");
		return 2;
	}
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	lowat = count > 5 ? atoi(word[5]) : 0;
	load_pictures(word[3]);
	newest = build(0);
	poll_fd = epoll_create1(0);
	listener = listen_on(word[1], atoi(word[2]));
	timer = tick_every(1 / atof(word[4]));
	hear_of(listener, &listener);
	hear_of(timer, &timer);
	run();
}
