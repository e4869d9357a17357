#include "service/aws/ini.h"

#include <stdio.h>
#include <string.h>

/* TEXT[LENGTH] without blanks at its ends. */
static const char *trim(const char *text, size_t *length)
{
	while (*length > 0 && strchr(" \t\r", *text) != NULL) {
		text++;
		(*length)--;
	}
	while (*length > 0 && strchr(" \t\r", text[*length - 1]) != NULL)
		(*length)--;
	return text;
}

static bool is(const char *text, size_t length, const char *wanted)
{
	return strlen(wanted) == length && strncmp(text, wanted, length) == 0;
}

static bool is_section(const char *line, size_t length, const char *section)
{
	const char *close = memchr(line, ']', length);

	if (close == NULL)
		return false;
	size_t inner = (size_t)(close - line) - 1;
	const char *name = trim(line + 1, &inner);
	return is(name, inner, section);
}

/* The value, without a comment behind it, if LINE is KEY's. */
static bool take_value(const char *line, size_t length, const char *key, char *buf, size_t size)
{
	const char *equals = memchr(line, '=', length);

	if (equals == NULL)
		return false;
	size_t name_length = (size_t)(equals - line);
	const char *name = trim(line, &name_length);
	if (!is(name, name_length, key))
		return false;
	const char *value = equals + 1;
	size_t value_length = length - (size_t)(value - line);
	for (size_t i = 1; i < value_length; i++)
		if ((value[i] == '#' || value[i] == ';') && (value[i - 1] == ' ' || value[i - 1] == '\t'))
			value_length = i;
	value = trim(value, &value_length);
	if (value_length >= size)
		return false;
	(void)snprintf(buf, size, "%.*s", (int)value_length, value);
	return true;
}

bool aws_ini_get(const char *text, const char *section, const char *key, char *buf, size_t size)
{
	bool is_within = false, is_found = false;

	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		if (*text == '[')
			is_within = is_section(text, length, section);
		else if (is_within && strchr("#; \t", *text) == NULL)
			is_found |= take_value(text, length, key, buf, size);
		text += length;
		text += *text == '\n';
	}
	return is_found;
}
