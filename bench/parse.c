/* parse - takes one stored MJPEG response apart the way load does, for tests.
 *
 *     parse HOP SKIP < response
 *
 * Bytes are handed over HOP at a time. With SKIP = 1, those that may go by unseen
 * are only counted, as load does with recv's MSG_TRUNC. One line for each part:
 * length, X-Timestamp, X-Frame, whole or damaged; one for each message that a client
 * of the live channel has to send; then the stage at the end.
 */
#include <stdio.h>

#include "stream.h"

static void stream_part(struct stream *s)
{
	printf("%ld %.6f %ld %s\n", s->length, s->captured, s->number,
	       stream_whole(s) ? "whole" : "damaged");
}

static void stream_say(struct stream *s, int kind, const void *payload, int length)
{
	(void)s;
	printf("%02x %.*s\n", kind, length, (const char *)payload);
}

int main(int count, char **word)
{
	static const char *const stage[] = {
		"status", "fields", "body", "messages", "ended", "broken"
	};
	static char data[1 << 20];
	struct stream s;
	if (count != 3)
		return 2;
	long hop = atol(word[1]), skip = atol(word[2]);
	long n = fread(data, 1, sizeof data, stdin);
	stream_start(&s);
	for (long at = 0, step; at < n && s.stage < ENDED; at += step) {
		step = hop < n - at ? hop : n - at;
		long room = skip ? stream_room(&s) : 0;
		if (room) {
			step = room < step ? room : step;
			stream_skip(&s, step);
		} else
			stream_feed(&s, data + at, step);
	}
	printf("%s\n", stage[s.stage]);
	return 0;
}
