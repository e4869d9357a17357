#include "service/runner_text.h"

#include <stdlib.h>
#include <string.h>

/* Well-formed UTF-8 (Unicode 15, table 3-7): by lead byte, the length and the range of the second byte; this alone
 * shuts out overlong forms, surrogates and everything above U+10FFFF. */
static const struct lead {
	unsigned char first, last;
	unsigned char length;
	unsigned char second_min, second_max;
} leads[] = {
	{0x01, 0x7f, 1, 0, 0},
	{0xc2, 0xdf, 2, 0x80, 0xbf},
	{0xe0, 0xe0, 3, 0xa0, 0xbf},
	{0xe1, 0xec, 3, 0x80, 0xbf},
	{0xed, 0xed, 3, 0x80, 0x9f},
	{0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf},
	{0xf1, 0xf3, 4, 0x80, 0xbf},
	{0xf4, 0xf4, 4, 0x80, 0x8f},
};

enum { INVALID = 0, UNFINISHED = -1 };

/* The length of the sequence at AT, INVALID, or UNFINISHED when it is good as far as it goes. */
static int sequence(const unsigned char *at, size_t size)
{
	const struct lead *lead = leads;
	const struct lead *end = leads + sizeof(leads) / sizeof(leads[0]);

	while (lead < end && (at[0] < lead->first || at[0] > lead->last))
		lead++;
	if (lead == end)
		return INVALID;
	for (size_t i = 1; i < lead->length; i++) {
		if (i == size)
			return UNFINISHED;
		unsigned char min = i == 1 ? lead->second_min : 0x80;
		unsigned char max = i == 1 ? lead->second_max : 0xbf;
		if (at[i] < min || at[i] > max)
			return INVALID;
	}
	return lead->length;
}

char *runner_text(const char *bytes, size_t size, bool has_more, const struct runner_text_limits *limits)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *at = (const unsigned char *)bytes;
	const unsigned char *end = at + size;
	/* A byte becomes at most three. */
	size_t room = size <= limits->bytes / 3 ? 3 * size : limits->bytes;
	char *text = malloc(room + 1);
	size_t used = 0;

	if (text == NULL)
		return NULL;
	for (size_t chars = 0; at < end && chars < limits->chars; chars++) {
		int length = sequence(at, (size_t)(end - at));
		if (length == UNFINISHED && has_more)
			break;
		bool is_valid = length > 0;
		size_t bytes_out = is_valid ? (size_t)length : sizeof(replacement) - 1;
		if (bytes_out > room - used)
			break;
		memcpy(text + used, is_valid ? (const char *)at : replacement, bytes_out);
		used += bytes_out;
		at += is_valid ? length : 1;
	}
	text[used] = '\0';
	return text;
}

size_t runner_text_whole(const char *bytes, size_t size)
{
	for (size_t back = 1; back <= 3 && back <= size; back++)
		if (sequence((const unsigned char *)bytes + size - back, back) == UNFINISHED)
			return size - back;
	return size;
}
