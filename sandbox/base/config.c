#include "sandbox/base/config.h"

#include "sandbox/base/fd.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

/* --- values ------------------------------------------------------------------------------------------------- */

/* A suffix and what it multiplies by. The first row of a type is what a bare number means. */
struct unit {
	enum config_type type;
	const char *suffix;
	uint64_t factor;
};

static const struct unit units[] = {
	{CONFIG_NUMBER, "", 1},
	{CONFIG_BYTES, "", 1},
	{CONFIG_BYTES, "K", UINT64_C(1) << 10},
	{CONFIG_BYTES, "M", UINT64_C(1) << 20},
	{CONFIG_BYTES, "G", UINT64_C(1) << 30},
	{CONFIG_BYTES, "T", UINT64_C(1) << 40},
	{CONFIG_BYTES, "KiB", UINT64_C(1) << 10},
	{CONFIG_BYTES, "MiB", UINT64_C(1) << 20},
	{CONFIG_BYTES, "GiB", UINT64_C(1) << 30},
	{CONFIG_BYTES, "TiB", UINT64_C(1) << 40},
	{CONFIG_USEC, "", 1000000},
	{CONFIG_USEC, "us", 1},
	{CONFIG_USEC, "ms", 1000},
	{CONFIG_USEC, "s", 1000000},
	{CONFIG_USEC, "m", 60000000},
	{CONFIG_MILLIS, "", 1000},
};

static const struct unit *find_unit(enum config_type type, const char *suffix)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (units[i].type == type && strcmp(units[i].suffix, suffix) == 0)
			return &units[i];
	return NULL;
}

/* Digits into *RET; *TEXT moves behind them. */
static int read_digits(const char **text, uint64_t *ret)
{
	uint64_t value = 0;

	for (; isdigit((unsigned char)**text); (*text)++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(**text - '0'), &value))
			return -ERANGE;
	*ret = value;
	return 0;
}

/* The digits behind the point, in units of FACTOR. What is finer than one unit of the field is refused, not rounded. */
static int read_fraction(const char **text, uint64_t factor, uint64_t *ret)
{
	uint64_t value = 0;

	for (; isdigit((unsigned char)**text); (*text)++) {
		unsigned digit = (unsigned)(**text - '0');
		if (factor % 10 != 0 && digit != 0)
			return -EINVAL;
		factor /= 10;
		value += factor * digit;
	}
	*ret = value;
	return 0;
}

int config_number(enum config_type type, const char *text, uint64_t *ret)
{
	bool is_fractional = type == CONFIG_USEC || type == CONFIG_MILLIS;
	size_t digits = strspn(text, is_fractional ? "0123456789." : "0123456789");
	const struct unit *unit = find_unit(type, text + digits);
	uint64_t whole, fraction = 0;

	if (unit == NULL || !isdigit((unsigned char)text[0]))
		return -EINVAL;
	int r = read_digits(&text, &whole);
	if (r == 0 && *text == '.') {
		text++;
		r = isdigit((unsigned char)*text) ? read_fraction(&text, unit->factor, &fraction) : -EINVAL;
	}
	if (r < 0)
		return r;
	if (strcmp(text, unit->suffix) != 0) /* a second point */
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit->factor, &whole) ||
		__builtin_add_overflow(whole, fraction, &whole))
		return -ERANGE;
	*ret = whole;
	return 0;
}

/* The inverse of config_number: the largest unit that divides VALUE. */
static const char *show_number(enum config_type type, uint64_t value, char *buf, size_t size)
{
	const struct unit *best = NULL;

	if (type == CONFIG_MILLIS) {
		(void)snprintf(buf, size, value % 1000 ? "%llu.%03llu" : "%llu",
			(unsigned long long)value / 1000, (unsigned long long)value % 1000);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (units[i].type == type && value % units[i].factor == 0 &&
			(units[i].suffix[0] != '\0' || units[i].factor == 1) &&
			(best == NULL || units[i].factor > best->factor))
			best = &units[i];
	if (value == 0 || best == NULL)
		(void)snprintf(buf, size, "%llu", (unsigned long long)value);
	else
		(void)snprintf(buf, size, "%llu%s", (unsigned long long)(value / best->factor), best->suffix);
	return buf;
}

static int read_flag(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"yes", true}, {"true", true}, {"1", true}, {"no", false}, {"false", false}, {"0", false}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, text) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static bool has_environment(const struct config_row *row)
{
	return isupper((unsigned char)row->name[0]);
}

static const char *flag_of(const struct config_row *row, char buf[NAME_MAX_BYTES])
{
	size_t i = 0;

	for (; i < NAME_MAX_BYTES - 1 && row->name[i] != '\0'; i++)
		buf[i] = (char)(row->name[i] == '_' ? '-' : tolower((unsigned char)row->name[i]));
	buf[i] = '\0';
	return buf;
}

static bool is_number(enum config_type type)
{
	return type == CONFIG_NUMBER || type == CONFIG_BYTES || type == CONFIG_USEC || type == CONFIG_MILLIS;
}

static bool is_within(const struct config_row *row, uint64_t value)
{
	return value >= row->min && (row->max == 0 || value <= row->max);
}

/* "between 1 and 65535" */
static const char *show_range(const struct config_row *row, char *buf, size_t size)
{
	char min[32], max[32];
	const char *what = is_number(row->type) ? "" : "of a length ";
	enum config_type type = is_number(row->type) ? row->type : CONFIG_NUMBER;

	if (row->max == 0)
		(void)snprintf(
			buf, size, "%sof at least %s", what, show_number(type, row->min, min, sizeof(min)));
	else
		(void)snprintf(buf, size, "%sbetween %s and %s", what,
			show_number(type, row->min, min, sizeof(min)),
			show_number(type, row->max, max, sizeof(max)));
	return buf;
}

static const char *const notations[] = {
	[CONFIG_STRING] = "text",
	[CONFIG_NUMBER] = "a whole number",
	[CONFIG_BYTES] = "a size such as 4096, 64K, 10M, 1G",
	[CONFIG_USEC] = "a time such as 2, 1.5, 250ms, 10s, 3m",
	[CONFIG_MILLIS] = "a number such as 1, 0.5, 2",
	[CONFIG_FLAG] = "yes or no",
	[CONFIG_LIST] = "text",
};

static int append(struct config_list *list, const char *text)
{
	if (list->nitems == CONFIG_LIST_MAX)
		return -E2BIG;
	list->items[list->nitems++] = text;
	return 0;
}

/* 0, -EINVAL (the notation), -ERANGE, -E2BIG (too many of a list). */
static int store(const struct config_row *row, void *target, const char *text)
{
	void *field = (char *)target + row->offset;
	uint64_t value = 0;

	if (row->type == CONFIG_FLAG)
		return read_flag(text, field);
	if (is_number(row->type)) {
		int r = config_number(row->type, text, &value);
		if (r < 0 || !is_within(row, value))
			return r < 0 ? r : -ERANGE;
		*(uint64_t *)field = value;
		return 0;
	}
	if (!is_within(row, strlen(text)))
		return -ERANGE;
	if (row->type == CONFIG_LIST)
		return append(field, text);
	*(const char **)field = text;
	return 0;
}

/* SOURCE: "--port" or "PORT in the environment". */
static int set(const struct config_row *row, void *target, const char *source, const char *text,
	struct sandbox_error *err)
{
	char range[128];

	switch (store(row, target, text)) {
	case 0:
		return 0;
	case -ERANGE:
		return error_set(err, EINVAL, "config", "%s: '%.64s' is not %s", source, text,
			show_range(row, range, sizeof(range)));
	case -E2BIG:
		return error_set(err, EINVAL, "config", "%s: more than %d", source, CONFIG_LIST_MAX);
	default:
		return error_set(
			err, EINVAL, "config", "%s: '%.64s' is not %s", source, text, notations[row->type]);
	}
}

static void set_standard(const struct config_row *row, void *target)
{
	void *field = (char *)target + row->offset;

	if (row->type == CONFIG_LIST)
		*(struct config_list *)field = (struct config_list){0};
	else if (row->type == CONFIG_FLAG)
		*(bool *)field = false;
	else if (is_number(row->type))
		*(uint64_t *)field = 0;
	else
		*(const char **)field = NULL;
	if (row->standard != NULL) {
		int r = store(row, target, row->standard);
		assert(r == 0); /* the table's own default is wrong */
		(void)r;
	}
}

static int set_environment(const struct config_row *row, void *target, struct sandbox_error *err)
{
	char source[NAME_MAX_BYTES + 32];
	const char *text = has_environment(row) ? getenv(row->name) : NULL;

	if (text == NULL || text[0] == '\0')
		return 0;
	(void)snprintf(source, sizeof(source), "%.63s in the environment", row->name);
	return set(row, target, source, text, err);
}

/* --- help --------------------------------------------------------------------------------------------------- */

static void print_help(const struct config_row *rows, size_t nrows, const char *usage, FILE *out)
{
	static const char *const values[] = {
		[CONFIG_STRING] = " TEXT",
		[CONFIG_NUMBER] = " N",
		[CONFIG_BYTES] = " SIZE",
		[CONFIG_USEC] = " TIME",
		[CONFIG_MILLIS] = " N",
		[CONFIG_FLAG] = "",
		[CONFIG_LIST] = " TEXT",
	};

	(void)fprintf(out, "usage: %s%s\n", usage, usage[0] && usage[strlen(usage) - 1] == '\n' ? "" : "\n");
	for (size_t i = 0; i < nrows; i++) {
		char flag[NAME_MAX_BYTES], column[NAME_MAX_BYTES + 16];
		(void)snprintf(
			column, sizeof(column), "--%s%s", flag_of(&rows[i], flag), values[rows[i].type]);
		(void)fprintf(out, "  %-24s %s", column, rows[i].help);
		if (rows[i].standard != NULL)
			(void)fprintf(out, " (default: %s)", rows[i].standard);
		if (has_environment(&rows[i]))
			(void)fprintf(out, " [%s]", rows[i].name);
		if (rows[i].type == CONFIG_LIST)
			(void)fputs(" (may be repeated)", out);
		(void)fputc('\n', out);
	}
}

static void print_markdown(const struct config_row *rows, size_t nrows, FILE *out)
{
	(void)fputs("| option | environment | value | default | meaning |\n|---|---|---|---|---|\n", out);
	for (size_t i = 0; i < nrows; i++) {
		const struct config_row *row = &rows[i];
		char flag[NAME_MAX_BYTES], range[128] = "";
		if (row->type != CONFIG_FLAG)
			(void)show_range(row, range, sizeof(range));
		(void)fprintf(out, "| `--%s` | %s%s%s | %s%s%s | %s%s%s | %s |\n", flag_of(row, flag),
			has_environment(row) ? "`" : "", has_environment(row) ? row->name : "",
			has_environment(row) ? "`" : "", notations[row->type], range[0] ? ", " : "", range,
			row->standard ? "`" : "", row->standard ? row->standard : "",
			row->standard ? "`" : "", row->help);
	}
}

/* --- the command line --------------------------------------------------------------------------------------- */

const struct config_row *config_find(const struct config_row *rows, size_t nrows, const char *option)
{
	if (strncmp(option, "--", 2) != 0)
		return NULL;
	size_t length = strcspn(option + 2, "=");
	for (size_t i = 0; i < nrows; i++) {
		char flag[NAME_MAX_BYTES];
		if (strlen(flag_of(&rows[i], flag)) == length && memcmp(flag, option + 2, length) == 0)
			return &rows[i];
	}
	return NULL;
}

struct words {
	int argc;
	char *const *argv;
	int at;
};

/* The option at WORDS, which moves behind it and its value. */
static int set_option(
	const struct config_row *row, void *target, struct words *words, struct sandbox_error *err)
{
	char flag[NAME_MAX_BYTES], source[NAME_MAX_BYTES + 2];
	const char *equals = strchr(words->argv[words->at], '=');

	(void)snprintf(source, sizeof(source), "--%.63s", flag_of(row, flag));
	words->at++;
	if (equals != NULL)
		return set(row, target, source, equals + 1, err);
	if (row->type == CONFIG_FLAG)
		return set(row, target, source, "yes", err);
	if (words->at == words->argc)
		return error_set(err, EINVAL, "config", "%s needs a value", source);
	return set(row, target, source, words->argv[words->at++], err);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

int config_parse(const struct config_row *rows, size_t nrows, void *target, int argc, char *const argv[],
	const char *usage, FILE *out, int *next, struct sandbox_error *err)
{
	struct words words = {.argc = argc, .argv = argv, .at = 1};
	int r = 0;

	for (size_t i = 0; i < nrows; i++)
		set_standard(&rows[i], target);
	for (size_t i = 0; r == 0 && i < nrows; i++)
		r = set_environment(&rows[i], target, err);
	while (r == 0 && words.at < argc && is_option(argv[words.at])) {
		const char *word = argv[words.at];
		if (strcmp(word, "--") == 0) {
			words.at++;
			break;
		}
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			print_help(rows, nrows, usage, out);
			return CONFIG_HELP;
		}
		if (strcmp(word, "--help-markdown") == 0) {
			print_markdown(rows, nrows, out);
			return CONFIG_HELP;
		}
		const struct config_row *row = config_find(rows, nrows, word);
		r = row ? set_option(row, target, &words, err)
			: error_set(err, EINVAL, "config", "there is no option %.64s", word);
	}
	if (r == 0)
		*next = words.at;
	return r;
}
