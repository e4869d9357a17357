/* fuzz_config.c: the command line and the environment, one word per line. What is accepted lies within its range, and
 * a number is the same number to strtoull. */
#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS_MAX = 96, NUMBER_MIN = 1, NUMBER_MAX = 65535, TEXT_MAX = 8, ITEM_MAX = 16 };

struct target {
	const char *text;
	uint64_t number, bytes, usec, millis;
	bool flag;
	struct config_list list;
};

#define ROW(name, type, field, min, max, standard)                                                           \
	{                                                                                                    \
		name, type, offsetof(struct target, field), min, max, standard, "for the fuzzer"             \
	}

static const struct config_row rows[] = {
	ROW("FUZZ_TEXT", CONFIG_STRING, text, 1, TEXT_MAX, "abc"),
	ROW("FUZZ_NUMBER", CONFIG_NUMBER, number, NUMBER_MIN, NUMBER_MAX, "80"),
	ROW("bytes", CONFIG_BYTES, bytes, 0, 0, "64K"),
	ROW("usec", CONFIG_USEC, usec, 1, UINT64_MAX, "1.5"),
	ROW("millis", CONFIG_MILLIS, millis, 0, 1024000, NULL),
	ROW("FUZZ_FLAG", CONFIG_FLAG, flag, 0, 0, NULL),
	ROW("list", CONFIG_LIST, list, 0, ITEM_MAX, NULL),
};

/* Splits TEXT in place; the first word stands for the program's name. */
static int split(char *text, char *words[WORDS_MAX + 1])
{
	static char program[] = "fuzz";
	int n = 0;

	words[n++] = program;
	while (n < WORDS_MAX && text != NULL)
		words[n++] = strsep(&text, "\n");
	words[n] = NULL;
	return n;
}

static void check_target(const struct target *target)
{
	FUZZ_REQUIRE(target->text != NULL && strlen(target->text) >= 1 && strlen(target->text) <= TEXT_MAX);
	FUZZ_REQUIRE(target->number >= NUMBER_MIN && target->number <= NUMBER_MAX);
	FUZZ_REQUIRE(target->usec >= 1 && target->millis <= 1024000);
	FUZZ_REQUIRE(target->list.nitems <= CONFIG_LIST_MAX);
	for (size_t i = 0; i < target->list.nitems; i++)
		FUZZ_REQUIRE(strlen(target->list.items[i]) <= ITEM_MAX);
}

static void check_number(const char *word)
{
	static const enum config_type types[] = {CONFIG_NUMBER, CONFIG_BYTES, CONFIG_USEC, CONFIG_MILLIS};
	static const uint64_t factors[] = {1, 1, 1000000, 1000};
	bool is_plain = word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		uint64_t value = 0, wanted;
		int r = config_number(types[i], word, &value);
		FUZZ_REQUIRE(r == 0 || r == -EINVAL || r == -ERANGE);
		if (!is_plain)
			continue;
		errno = 0;
		bool is_over = __builtin_mul_overflow(strtoull(word, NULL, 10), factors[i], &wanted);
		FUZZ_REQUIRE(r == (is_over || errno == ERANGE ? -ERANGE : 0));
		FUZZ_REQUIRE(r != 0 || value == wanted);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text_variable[128], number_variable[128];
	static char *variables[] = {text_variable, number_variable, NULL};
	static FILE *null;
	_cleanup_free_ char *text = strndup((const char *)data, size);
	char *words[WORDS_MAX + 1];
	struct target target = {0};
	struct sandbox_error err = {0};
	int next = -1, argc = split(text, words);

	if (null == NULL)
		null = fopen("/dev/null", "we");
	/* The last two words, as the environment; setenv would keep every one of them for ever. */
	(void)snprintf(text_variable, sizeof(text_variable), "FUZZ_TEXT=%.100s", words[argc - 1]);
	(void)snprintf(number_variable, sizeof(number_variable), "FUZZ_NUMBER=%.100s", words[argc / 2]);
	char **saved = environ;
	environ = variables;
	int r = config_parse(rows, ARRAY_SIZE(rows), &target, argc, words, "fuzz", null, &next, &err);
	environ = saved;
	if (r == 0) {
		FUZZ_REQUIRE(next >= 1 && next <= argc);
		check_target(&target);
	} else {
		FUZZ_REQUIRE(r == CONFIG_HELP || (r == -EINVAL && err.errno_value == EINVAL));
	}
	for (int i = 1; i < argc; i++) {
		check_number(words[i]);
		(void)config_find(rows, ARRAY_SIZE(rows), words[i]);
	}
	return 0;
}
