/* One MJPEG response, taken apart as it comes: HTTP header, chunks, parts; or, where
 * the status is 101, the messages of the live channel (docs/live.md).
 *
 * No socket is touched here. Bytes go in through stream_feed(), or, inside of a
 * JPEG, as a mere count through stream_skip(), and each finished part comes out
 * as a call of stream_part(), which the including file defines, and so it does
 * stream_say(), for what a client of the live channel has to answer.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HTTP_STATUS, HTTP_FIELDS, BODY, MESSAGES, ENDED, BROKEN }; /* of the response */
enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_CRLF };                  /* of its chunks   */
enum { BETWEEN_PARTS, PART_FIELDS, PART_BODY, PART_UNREAD };  /* of its parts    */

/* The first byte of WebSocket frames (RFC 6455 5.2), all of them whole messages. */
enum { TEXT = 0x81, BINARY, CLOSE = 0x88, PING, PONG };
enum { PICTURE_HEADER = 24, ACKNOWLEDGE = 4 };

struct stream {
	int stage, chunk_stage, part_stage;
	int status, chunked;
	long chunk_left;          /* bytes of the present chunk not yet seen */
	long length, left;        /* of the part's body: whole, and not yet seen */
	double captured;          /* X-Timestamp, Unix seconds; 0 when absent */
	long number;              /* X-Frame; -1 when absent */
	unsigned char head[2], tail[2];
	/* A chunk may end within a part's line: each of the two has its own. */
	struct line { int length; char text[256]; } outer, inner;
	int camera, asks;         /* of a picture on the live channel */
};

/* A part is whole: called with length, captured, number, head and tail set. */
static void stream_part(struct stream *s);

/* A message of at most 125 bytes is to be sent. */
static void stream_say(struct stream *s, int kind, const void *payload, int length);

static void stream_start(struct stream *s)
{
	memset(s, 0, sizeof *s);
	s->number = -1;
}

/* Does the part begin and end as a JPEG does (SOI, EOI; ITU-T T.81, B.1.1.3)? */
static int stream_whole(const struct stream *s)
{
	return s->length >= 4 && s->head[0] == 0xff && s->head[1] == 0xd8
	       && s->tail[0] == 0xff && s->tail[1] == 0xd9;
}

/* The value of a header line when its name is the given one, else NULL. */
static const char *field(const char *line, const char *name)
{
	size_t n = strlen(name);
	if (strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	return line + n + 1 + strspn(line + n + 1, " \t");
}

static void status_line(struct stream *s)
{
	const char *space = strchr(s->outer.text, ' ');
	s->status = space ? atoi(space) : 0;
	s->stage = strncmp(s->outer.text, "HTTP/1.", 7) ? BROKEN : HTTP_FIELDS;
}

static void http_line(struct stream *s)
{
	const char *value;
	if (!s->outer.length)
		s->stage = s->status == 200 ? BODY : s->status == 101 ? MESSAGES : BROKEN;
	else if ((value = field(s->outer.text, "Transfer-Encoding")))
		s->chunked = !strcasecmp(value, "chunked");
}

static void begin_part(struct stream *s)
{
	s->part_stage = PART_FIELDS;
	s->length = s->number = -1;
	s->captured = 0;
}

static void between_line(struct stream *s)
{
	if (!strcmp(s->inner.text, "--frame"))
		begin_part(s);
	else if (s->inner.length)
		s->stage = BROKEN;
}

static void part_line(struct stream *s)
{
	const char *value;
	if (!s->inner.length) {
		s->part_stage = PART_BODY;
		s->left = s->length;
		if (s->length < 1)
			s->stage = BROKEN;
	} else if ((value = field(s->inner.text, "Content-Length")))
		s->length = atol(value);
	else if ((value = field(s->inner.text, "X-Timestamp")))
		s->captured = atof(value);
	else if ((value = field(s->inner.text, "X-Frame")))
		s->number = atol(value);
}

static void size_line(struct stream *s)
{
	char *end;
	s->chunk_left = strtol(s->outer.text, &end, 16);
	s->chunk_stage = CHUNK_DATA;
	if (end == s->outer.text || s->chunk_left < 0)
		s->stage = BROKEN;
	else if (!s->chunk_left)
		s->stage = ENDED;
}

/* One more byte of a line; true when it was the last one and the line is ready. */
static int collect(struct line *line, char byte)
{
	/* Longer lines are cut: none that matters is as long. */
	if (byte != '\n') {
		if (line->length < (int)sizeof line->text - 1)
			line->text[line->length++] = byte;
		return 0;
	}
	if (line->length && line->text[line->length - 1] == '\r')
		line->length--;
	line->text[line->length] = 0;
	return 1;
}

/* Takes bytes up to the end of one line, then lets `take` judge it. */
static long feed_line(struct stream *s, struct line *line, const char *data, long n,
                      void (*take)(struct stream *))
{
	for (long i = 0; i < n; i++)
		if (collect(line, data[i])) {
			take(s);
			line->length = 0;
			return i + 1;
		}
	return n;
}

/* Keeps the JPEG's first and last two bytes where they lie in data[0..n). */
static void remember(struct stream *s, const unsigned char *data, long n)
{
	long first = s->length - s->left, end = first + n, last_two = s->length - 2;
	for (long at = first; at < 2 && at < end; at++)
		s->head[at] = data[at - first];
	for (long at = first > last_two ? first : last_two; at < end; at++)
		if (at >= 0)
			s->tail[at - last_two] = data[at - first];
}

static long feed_jpeg(struct stream *s, const char *data, long n)
{
	if (n > s->left)
		n = s->left;
	remember(s, (const unsigned char *)data, n);
	s->left -= n;
	if (!s->left) {
		s->part_stage = BETWEEN_PARTS;
		stream_part(s);
	}
	return n;
}

/* Some bytes of the multipart body; how many of them one step has used. */
static long feed_part(struct stream *s, const char *data, long n)
{
	if (s->part_stage == PART_BODY)
		return feed_jpeg(s, data, n);
	return feed_line(s, &s->inner, data, n,
	                 s->part_stage == PART_FIELDS ? part_line : between_line);
}

static long feed_chunk(struct stream *s, const char *data, long n)
{
	if (s->chunk_stage == CHUNK_SIZE)
		return feed_line(s, &s->outer, data, n, size_line);
	if (s->chunk_stage == CHUNK_CRLF) {
		if (*data == '\n')
			s->chunk_stage = CHUNK_SIZE;
		return 1;
	}
	long used = feed_part(s, data, n < s->chunk_left ? n : s->chunk_left);
	s->chunk_left -= used;
	if (!s->chunk_left)
		s->chunk_stage = CHUNK_CRLF;
	return used;
}

static uint64_t big_endian(const unsigned char *at, int bytes)
{
	uint64_t value = 0;
	while (bytes--)
		value = value << 8 | *at++;
	return value;
}

/* The picture's header is there: what follows is its JPEG. */
static void begin_picture(struct stream *s, const unsigned char *header, long length)
{
	uint64_t captured = big_endian(header + 16, 8);
	memcpy(&s->captured, &captured, sizeof captured);
	s->asks = header[2] & ACKNOWLEDGE;
	s->camera = big_endian(header + 4, 2);
	s->number = big_endian(header + 12, 4);
	s->length = s->left = length - header[1];
	s->part_stage = PART_BODY;
	if (header[1] != PICTURE_HEADER || s->length < 1)
		s->stage = BROKEN;
}

/* Judges the beginning of a message, of which so many bytes are there. */
static void message_begun(struct stream *s, int have)
{
	const unsigned char *at = (const unsigned char *)s->inner.text;
	int start = at[1] == 126 ? 4 : at[1] == 127 ? 10 : 2;
	if (have < 2 || have < start)
		return;
	long length = start == 2 ? at[1] : (long)big_endian(at + 2, start - 2);
	long needs = *at == BINARY ? PICTURE_HEADER : *at == PING ? length : 0;
	if (at[1] > 127 || (*at == BINARY && length < needs) || (*at == PING && start > 2))
		s->stage = BROKEN;
	else if (have < start + needs)
		return;
	else if (*at == BINARY)
		begin_picture(s, at + start, length);
	else if (*at == PING)
		stream_say(s, PONG, at + start, length);
	else if (*at == CLOSE)
		s->stage = ENDED;
	else if ((s->left = length))
		s->part_stage = PART_UNREAD;
	s->inner.length = 0;
}

static long feed_picture(struct stream *s, const char *data, long n)
{
	char text[64];
	n = feed_jpeg(s, data, n);
	if (!s->left && s->asks)
		stream_say(s, TEXT, text, snprintf(text, sizeof text, "{\"ack\":[[%d,%ld]]}",
		                                   s->camera, s->number));
	return n;
}

/* Some bytes of the live channel; how many of them one step has used. */
static long feed_message(struct stream *s, const char *data, long n)
{
	if (s->part_stage == PART_BODY)
		return feed_picture(s, data, n);
	if (s->part_stage == PART_UNREAD) {
		n = n < s->left ? n : s->left;
		s->left -= n;
		if (!s->left)
			s->part_stage = BETWEEN_PARTS;
		return n;
	}
	s->inner.text[s->inner.length++] = *data;
	message_begun(s, s->inner.length);
	return 1;
}

/* All bytes of data[0..n). Afterwards stage says whether the stream goes on. */
static void stream_feed(struct stream *s, const char *data, long n)
{
	while (n > 0 && s->stage < ENDED) {
		long used;
		if (s->stage == HTTP_STATUS)
			used = feed_line(s, &s->outer, data, n, status_line);
		else if (s->stage == HTTP_FIELDS)
			used = feed_line(s, &s->outer, data, n, http_line);
		else if (s->stage == MESSAGES)
			used = feed_message(s, data, n);
		else if (s->chunked)
			used = feed_chunk(s, data, n);
		else
			used = feed_part(s, data, n);
		data += used;
		n -= used;
	}
}

/* How many of the next bytes need not be seen: the JPEG's, but for both ends. */
static long stream_room(const struct stream *s)
{
	if ((s->stage != BODY && s->stage != MESSAGES) || s->part_stage != PART_BODY)
		return 0;
	/* Of the tail, nothing, of which one byte may have come already. */
	if (s->length - s->left < 2 || s->left <= 2)
		return 0;
	if (!s->chunked)
		return s->left - 2;
	if (s->chunk_stage != CHUNK_DATA)
		return 0;
	return s->chunk_left < s->left - 2 ? s->chunk_left : s->left - 2;
}

/* n bytes went by unseen; n is at most what stream_room() allowed. */
static void stream_skip(struct stream *s, long n)
{
	s->left -= n;
	if (!s->chunked)
		return;
	s->chunk_left -= n;
	if (!s->chunk_left)
		s->chunk_stage = CHUNK_CRLF;
}

#endif
