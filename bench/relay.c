/* relay - the least that a server can do with cameras that send MJPEG over HTTP.
 *
 *     cc -O2 -o relay relay.c
 *     relay ADDRESS PORT CAMERA_ADDRESS CAMERA_PORT CAMERA_PATH CAMERAS
 *
 * Reads so many streams of one camera, finds the parts in each, and sends each part
 * to the viewers of that stream: those that ask for /api/N/stream, N from 0. One
 * thread, one epoll. A part is taken out of its stream by its Content-Length and
 * copied once, with a chunk's framing around it. A viewer that is still taking one
 * gets the newest when it is done. Nothing is checked, counted or timed out, and a
 * camera that ends the stream ends the program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 4 << 20 };          /* bytes of one stream that may be held */

/* One part as it leaves: "SIZE CRLF part CRLF", an HTTP chunk. */
struct frame {
	int holders;
	long number, length;
	char bytes[];
};

enum kind { LISTENER, CAMERA, VIEWER };

struct viewer {
	enum kind kind;
	int fd, waiting;
	struct camera *camera;    /* NULL until it has asked */
	struct viewer *next, **link;
	struct frame *frame;      /* the one under way, or NULL */
	long at, number;          /* bytes of it that have left; the last one's */
	int request_length;
	char request[1024];
};

struct camera {
	enum kind kind;
	int fd;
	char *data;               /* what came and is no whole part yet */
	long length;
	long number;
	struct frame *newest;
	struct viewer *viewers;
};

static const char HEAD[] =
	"HTTP/1.1 200 OK\r\n"
	"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
	"Cache-Control: no-store\r\n"
	"Transfer-Encoding: chunked\r\n\r\n"
	"9\r\n--frame\r\n\r\n";

static struct camera *cameras;
static int camera_count, poll_fd;
static enum kind listening = LISTENER;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void hear_of(int fd, void *who)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = who };
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* ---- viewers ---- */

static void release(struct frame *f)
{
	if (f && !--f->holders)
		free(f);
}

static void leave(struct viewer *v)
{
	release(v->frame);
	close(v->fd);
	if (v->camera) {
		*v->link = v->next;
		if (v->next)
			v->next->link = v->link;
	}
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
	v->at = 0;
	f->holders++;
}

/* Sends what the kernel takes. False when the viewer is gone. */
static int push(struct viewer *v)
{
	while (v->frame) {
		struct frame *f = v->frame;
		ssize_t n = send(v->fd, f->bytes + v->at, f->length - v->at,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return 0;
		v->at += n > 0 ? n : 0;
		if (v->at < f->length) {
			wait_for_room(v, 1);
			return 1;
		}
		release(f);
		v->frame = NULL;
		if (v->camera->newest->number > v->number)
			begin(v, v->camera->newest);
	}
	wait_for_room(v, 0);
	return 1;
}

static int answer(struct viewer *v)
{
	int number = -1;
	sscanf(v->request, "GET /api/%d/stream", &number);
	if (number < 0 || number >= camera_count)
		return 0;
	if (send(v->fd, HEAD, strlen(HEAD), MSG_NOSIGNAL | MSG_MORE) < 0)
		return 0;
	v->camera = &cameras[number];
	v->link = &v->camera->viewers;
	v->next = *v->link;
	if (v->next)
		v->next->link = &v->next;
	*v->link = v;
	if (v->camera->newest)
		begin(v, v->camera->newest);
	return push(v);
}

static int hear(struct viewer *v)
{
	int room = sizeof v->request - 1 - v->request_length;
	if (!room)
		return 0;
	ssize_t n = recv(v->fd, v->request + v->request_length, room, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	v->request_length += n;
	return v->camera || !strstr(v->request, "\r\n\r\n") || answer(v);
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

static void enter(int fd)
{
	int on = 1;
	struct viewer *v = calloc(1, sizeof *v);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	v->kind = VIEWER;
	v->fd = fd;
	v->number = -1;
	hear_of(fd, v);
}

static void accept_all(int listener)
{
	for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0; )
		enter(fd);
}

/* ---- cameras ---- */

static void publish(struct camera *c, const char *part, long length)
{
	struct frame *f = malloc(sizeof *f + length + 32);
	int framing = sprintf(f->bytes, "%lx\r\n", length);
	memcpy(f->bytes + framing, part, length);
	memcpy(f->bytes + framing + length, "\r\n", 2);
	f->length = framing + length + 2;
	f->holders = 1;
	f->number = ++c->number;
	release(c->newest);
	c->newest = f;
	for (struct viewer *v = c->viewers, *next; v; v = next) {
		next = v->next;
		if (v->frame)
			continue;
		begin(v, f);
		if (!push(v))
			leave(v);
	}
}

/* The part that begins at `data`: its length with the boundary behind it; 0 while it
 * is not whole. The first "part" is the answer's own header. */
static long part_at(const char *data, long length)
{
	char *end = memmem(data, length, "\r\n\r\n", 4);
	if (!end)
		return 0;
	char *field = memmem(data, end - data, "Content-Length: ", 16);
	long head = end + 4 - data;
	if (!field) {
		char *line = memmem(data + head, length - head, "--frame\r\n", 9);
		return line ? line + 9 - data : 0;
	}
	long whole = head + atol(field + 16) + strlen("\r\n--frame\r\n");
	return length >= whole ? whole : 0;
}

static void receive(struct camera *c)
{
	ssize_t n = recv(c->fd, c->data + c->length, ROOM - c->length, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		fail("camera");
	c->length += n;
	long at = 0;
	for (long part; (part = part_at(c->data + at, c->length - at)); at += part)
		if (c->data[at] != 'H')
			publish(c, c->data + at, part);
	if (at)
		memmove(c->data, c->data + at, c->length -= at);
}

static void watch(struct camera *c, const struct sockaddr_in *at, const char *path)
{
	char request[512];
	int length = snprintf(request, sizeof request,
	                      "GET %s HTTP/1.0\r\n\r\n", path);
	c->kind = CAMERA;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	c->data = malloc(ROOM);
	if (connect(c->fd, (struct sockaddr *)at, sizeof *at)
	    || send(c->fd, request, length, 0) != length)
		fail("camera");
	hear_of(c->fd, c);
}

/* ---- the loop ---- */

static int listen_on(const struct sockaddr_in *at)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)at, sizeof *at) || listen(fd, 1024))
		fail("listen");
	return fd;
}

static struct sockaddr_in place(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	at.sin_port = htons(atoi(port));
	inet_pton(AF_INET, address, &at.sin_addr);
	return at;
}

int main(int count, char **word)
{
	struct epoll_event event[256];
	if (count < 7) {
		fprintf(stderr, "relay ADDRESS PORT CAMERA_ADDRESS CAMERA_PORT "
		                "CAMERA_PATH CAMERAS\n");
		return 2;
	}
	struct sockaddr_in here = place(word[1], word[2]);
	struct sockaddr_in there = place(word[3], word[4]);
	signal(SIGPIPE, SIG_IGN);
	poll_fd = epoll_create1(0);
	camera_count = atoi(word[6]);
	cameras = calloc(camera_count, sizeof *cameras);
	for (int i = 0; i < camera_count; i++)
		watch(&cameras[i], &there, word[5]);
	int listener = listen_on(&here);
	hear_of(listener, &listening);
	for (;;) {
		int n = epoll_wait(poll_fd, event, 256, -1);
		for (int i = 0; i < n; i++)
			if (*(enum kind *)event[i].data.ptr == VIEWER)
				serve(event[i].data.ptr, event[i].events);
		/* Last, for these free viewers, which the events may name. */
		for (int i = 0; i < n; i++) {
			void *who = event[i].data.ptr;
			if (who == &listening)
				accept_all(listener);
			else if (who >= (void *)cameras
			         && who < (void *)(cameras + camera_count))
				receive(who);
		}
	}
}
