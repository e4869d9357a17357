/* evidence.h: how a probe tells what happened to it.
 *
 * A probe is a static program that runs inside a cell as `NAME CASE [ARGS…]`. It prints one line per try,
 * "what=OK" or "what=EPERM", and a line "BREACH what" for a try that should have been refused and was not.
 * It exits with 0 when there was no breach, 1 when there was, 2 when it was called wrongly. Tests assert on the lines. */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int breaches;

static inline const char *errno_text(int value)
{
	const char *name = strerrorname_np(value);

	return name != NULL ? name : "E?";
}

/* Notes a fact. */
static inline void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

/* Notes a try whose outcome is not judged here. Returns RESULT; keeps errno. */
static inline long tried(const char *what, long result)
{
	int saved = errno;

	say("%s=%s", what, result < 0 ? errno_text(saved) : "OK");
	errno = saved;
	return result;
}

/* Notes a try that must fail. True when it did. */
static inline bool refused(const char *what, long result)
{
	(void)tried(what, result);
	if (result < 0)
		return true;
	say("BREACH %s", what);
	breaches++;
	return false;
}

/* Notes a condition that must hold. */
static inline bool holds(const char *what, bool is_so)
{
	say("%s=%s", what, is_so ? "yes" : "no");
	if (!is_so) {
		say("BREACH %s", what);
		breaches++;
	}
	return is_so;
}

/* Counts outcomes of a sweep, by errno, and tells them in one line. */
struct tally {
	const char *what;
	unsigned ok, other, tries;
	unsigned by_errno[134];
};

static inline void __attribute__((unused)) tally_add(struct tally *tally, long result)
{
	tally->tries++;
	if (result >= 0)
		tally->ok++;
	else if (errno < 134)
		tally->by_errno[errno]++;
	else
		tally->other++;
}

static inline void __attribute__((unused)) tally_say(const struct tally *tally)
{
	(void)printf("%s: tries=%u ok=%u", tally->what, tally->tries, tally->ok);
	for (int i = 0; i < 134; i++)
		if (tally->by_errno[i] > 0)
			(void)printf(" %s=%u", errno_text(i), tally->by_errno[i]);
	(void)printf(" other=%u\n", tally->other);
	(void)fflush(stdout);
}

/* The cases of one probe. */
struct probe_case {
	const char *name;
	void (*run)(int argc, char **argv); /* ARGV: what follows the name */
};

static inline int probe_main(const struct probe_case *cases, size_t ncases, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ncases; i++)
		if (strcmp(cases[i].name, argv[1]) == 0) {
			cases[i].run(argc - 2, argv + 2);
			return breaches > 0 ? 1 : 0;
		}
	(void)fprintf(stderr, "usage: %s CASE [ARGS], CASE one of:\n", argc > 0 ? argv[0] : "probe");
	for (size_t i = 0; i < ncases; i++)
		(void)fprintf(stderr, "  %s\n", cases[i].name);
	return 2;
}

#define PROBE_PROGRAM(cases)                                                                                 \
	int main(int argc, char **argv)                                                                      \
	{                                                                                                    \
		return probe_main(cases, sizeof(cases) / sizeof((cases)[0]), argc, argv);                    \
	}
