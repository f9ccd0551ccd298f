/* Measured values, all of them kept, and their exact percentiles. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdio.h>
#include <stdlib.h>

struct samples {
	float *value;
	size_t count, room;
};

static void samples_add(struct samples *s, double value)
{
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 4096;
		s->value = realloc(s->value, s->room * sizeof *s->value);
		if (!s->value) {
			perror("samples");
			exit(2);
		}
	}
	s->value[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void samples_sort(struct samples *s)
{
	if (s->count)
		qsort(s->value, s->count, sizeof *s->value, by_value);
}

/* The value that `part` (0 to 1) of the sorted ones lie below; count is not 0. */
static double samples_at(const struct samples *s, double part)
{
	size_t i = part * s->count;
	return s->value[i < s->count ? i : s->count - 1];
}

/* "NAME_p50_UNIT": ..., p99, max; null for each when there are none. */
static void samples_print(struct samples *s, const char *name, const char *unit,
                          double scale)
{
	static const struct { const char *name; double part; } at[] = {
		{ "p50", .5 }, { "p99", .99 }, { "max", 1 }
	};
	samples_sort(s);
	for (int i = 0; i < 3; i++) {
		printf("\"%s_%s_%s\": ", name, at[i].name, unit);
		if (s->count)
			printf("%.4f, ", samples_at(s, at[i].part) * scale);
		else
			printf("null, ");
	}
}

#endif
