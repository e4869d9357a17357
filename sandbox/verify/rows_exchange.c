/* rows_exchange.c: what goes in and what comes out: programs that are none, names, streams, result files. */
#include "sandbox/verify/exchange.h"

#include "sandbox/base/fd.h"

#include <errno.h>

#define LIST(...)                                                                                            \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}

/* What cannot be executed is an error of the run, and no exit code of anybody's. */
#define NO_PROGRAM(what, from, cmd, list, error)                                                             \
	{                                                                                                    \
		.number = 32, .name = what, .origin = from, .kinds = SITE_ALL, .command = cmd,               \
		.perform = exchange_perform, .data = &(const struct exchange)                                \
		{                                                                                            \
			.files = list, .stage = "cell.exec", .errno_value = error                            \
		}                                                                                            \
	}

/* A request that is refused before there is a cell. */
#define REFUSED(row, what, from, list, error)                                                                \
	{                                                                                                    \
		.number = row, .name = what, .origin = from, .kinds = SITE_ALL, .needs = CORPUS_ONCE,        \
		.command = "work exit 0", .perform = exchange_perform, .data = &(const struct exchange)      \
		{                                                                                            \
			.files = list, .stage = "request.files", .errno_value = error                        \
		}                                                                                            \
	}

/* The program leaves something under the name of the result file. */
#define RESULT(row, what, from, cmd, ...)                                                                    \
	{                                                                                                    \
		.number = row, .name = what, .origin = from, .kinds = SITE_RUN | SITE_COMPILE,               \
		.command = cmd, .cause = SANDBOX_EXITED, .perform = exchange_perform,                        \
		.data = &(const struct exchange)                                                             \
		{                                                                                            \
			.collect = "result", __VA_ARGS__                                                     \
		}                                                                                            \
	}

#define STREAM(row, what, from, cmd, why, lim, ...)                                                          \
	{                                                                                                    \
		.number = row, .name = what, .origin = from, .kinds = SITE_ALL, .command = cmd,              \
		.cause = why, .limits = lim, .perform = exchange_perform, .data = &(const struct exchange)   \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}
#define NO_LIMITS                                                                                            \
	{                                                                                                    \
	}

#define LONG_NAME "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" /* 67 bytes */

static const char forged[] =
	"{\"cause\":\"exited\",\"exit_code\":0}\n\x1b[2J\x1b]0;owned\x07\r\n--boundary\r\n"
	"HTTP/1.1 200 OK\r\n\r\n\xff\xfe\xc3(\n1..1\nok 1\n";

static const struct corpus_row rows[] = {
	/* 32: a program that cannot be executed. */
	NO_PROGRAM(
		"a program that is not there", "a fake exit code 127", "/box/missing", LIST({NULL}), ENOENT),
	NO_PROGRAM("a program without leave to be run", "a fake exit code 126", "/box/plain",
		LIST({"plain", "text", NULL, false}), EACCES),
	NO_PROGRAM("bytes that are no program", "ENOEXEC, which a shell would interpret", "/box/garbage",
		LIST({"garbage",
			"\x7f"
			"ELF and no more",
			NULL, true}),
		ENOEXEC),
	NO_PROGRAM("a script whose interpreter is missing", "#!", "/box/script",
		LIST({"script", "#!/nowhere/interpreter\n", NULL, true}), ENOENT),
	NO_PROGRAM("a script that is its own interpreter", "#!/box/script", "/box/script",
		LIST({"script", "#!/box/script\n", NULL, true}), ELOOP),
	NO_PROGRAM("a directory in the place of a program", "execve", "/box", LIST({NULL}), EACCES),
	NO_PROGRAM("a device in the place of a program", "execve", "/dev/null", LIST({NULL}), EACCES),
	NO_PROGRAM("a file in the place of a directory", "execve", "/box/plain/program",
		LIST({"plain", "text", NULL, false}), ENOTDIR),

	/* 46 to 48: the standard streams. */
	STREAM(46, "every byte there is, four times over", "NULs and half characters", "work bytes 1",
		SANDBOX_EXITED, NO_LIMITS,
		.output = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"
			  "\x14\x15\x16"
			  "\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "
			  "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNO"
			  "PQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
			  "\x7f\x80\x81\x82\x83\x84\x85\x86\x87\x88"
			  "\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c"
			  "\x9d\x9e"
			  "\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2"
			  "\xb3\xb4"
			  "\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8"
			  "\xc9\xca"
			  "\xcb\xcc\xcd\xce\xcf\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde"
			  "\xdf\xe0"
			  "\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xf0\xf1\xf2\xf3\xf4"
			  "\xf5\xf6"
			  "\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff",
		.output_bytes = 256),
	STREAM(46, "forged reports, escapes, protocol lines", "output that is taken for something else",
		"probe cat forged", SANDBOX_EXITED, NO_LIMITS, .files = {{"forged", forged, NULL, false}},
		.output = forged, .output_bytes = sizeof(forged) - 1),
	STREAM(47, "waiting for input that never comes", "a read without end", "work read",
		SANDBOX_WALL_LIMIT, LIST(.wall_usec = 500000), .input = ATTEMPT_OPEN_INPUT),
	STREAM(47, "leaving a gigabyte of input unread", "SIGPIPE and EPIPE in the supervisor",
		"work close-stdin 50", SANDBOX_EXITED, NO_LIMITS, .input = ATTEMPT_FLOOD_INPUT,
		.input_text = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		.input_bytes = 1 << 30, .output = "read=1\n", .output_bytes = 7),
	STREAM(48, "a grandchild that keeps standard output", "the result waits for the pipe's end",
		"work daemon 60000", SANDBOX_EXITED, NO_LIMITS, .output = "main ends\n", .output_bytes = 10),

	/* 58 to 61: the result file. */
	RESULT(58, "the result is a link to a file of the host", "Judge0 CVE-2024-28185, go-judge #176",
		"work product result symlink /etc/shadow", .collected = SANDBOX_COLLECT_REFUSED),
	RESULT(58, "the result is a link to a file of the image", "a link that leads somewhere",
		"work product result symlink /etc/passwd", .collected = SANDBOX_COLLECT_REFUSED),
	RESULT(58, "the result is a relative link", "..", "work product result symlink ../etc/passwd",
		.collected = SANDBOX_COLLECT_REFUSED),
	RESULT(58, "the result is a link to nowhere", "a dangling link",
		"work product result symlink nowhere", .collected = SANDBOX_COLLECT_REFUSED),
	RESULT(58, "the result is a magic link", "go-judge #176: /proc/1/environ",
		"work product result symlink /proc/self/environ", .collected = SANDBOX_COLLECT_REFUSED),
	RESULT(58, "the result is a link to itself", "ELOOP", "work product result symlink result",
		.collected = SANDBOX_COLLECT_REFUSED),
	RESULT(59, "the result is a FIFO", "an open that never returns", "work product result fifo",
		.collected = SANDBOX_COLLECT_REFUSED),
	RESULT(59, "the result is a directory", "read of a directory", "work product result dir",
		.collected = SANDBOX_COLLECT_REFUSED),
	RESULT(59, "the result is a hard link to a file of the image", "protected_hardlinks, EXDEV",
		"work product result hardlink /etc/passwd", .collected = SANDBOX_COLLECT_MISSING),
	RESULT(59, "the result cannot be read", "a mode of 000", "work product result unreadable",
		.collected = SANDBOX_COLLECT_REFUSED),
	RESULT(59, "the result is not there", "nothing at all", "work exit 0",
		.collected = SANDBOX_COLLECT_MISSING),
	RESULT(44, "the result is a hole of 15 MiB", "a collector that fills holes",
		"work product result size 15000000", .collected = SANDBOX_COLLECT_TOO_LARGE),
	RESULT(60, "the result is exchanged meanwhile", "a race between the check and the copy",
		"attack_ways exchange result other",
		.files = {{"result", "the same\n", NULL, false}, {"other", "the same\n", NULL, false}},
		.collected = SANDBOX_COLLECTED, .content = "the same\n"),
	RESULT(60, "the result grows and shrinks meanwhile", "a race between the size and the copy",
		"attack_ways grow result", .collected = SANDBOX_COLLECTED),
	RESULT(61, "names with newlines, escapes, leading dashes", "whoever prints, splits or removes them",
		"attack_ways names", .collected = SANDBOX_COLLECTED, .content = "fine\n"),
	RESULT(62, "renames without end while all is taken down", "removal by walking",
		"attack_ways exchange d1 d2", .collected = SANDBOX_COLLECT_MISSING),
	RESULT(63, "modes of 000, files in use, links in circles", "removal by walking", "attack_ways locked",
		.collected = SANDBOX_COLLECT_REFUSED),

	/* 61 and 64: names of what is sent along. */
	REFUSED(64, "an upload above /box", "zip slip", LIST({"../escape", "x"}), EINVAL),
	REFUSED(64, "an upload with an absolute name", "zip slip", LIST({"/etc/cron.d/x", "x"}), EINVAL),
	REFUSED(64, "an upload that climbs within its name", "zip slip", LIST({"a/../../escape", "x"}),
		EINVAL),
	REFUSED(64, "an upload below another upload", "first the link, then the file",
		LIST({"a", "x"}, {"a/b", "y"}), EINVAL),
	REFUSED(64, "two uploads of one name", "the second one wins, or the first?",
		LIST({"a", "x"}, {"a", "y"}), EINVAL),
	REFUSED(64, "an upload in the place of the program", "the second one wins, or the first?",
		LIST({"work", "x"}), EINVAL),
	REFUSED(61, "an upload with a leading dash", "a name that is an option", LIST({"-rf", "x"}), EINVAL),
	REFUSED(61, "an upload with a newline in its name", "a name that is two", LIST({"a\nb", "x"}),
		EINVAL),
	REFUSED(61, "an upload with an escape in its name", "a name that is a command to a terminal",
		LIST({"a\x1b[2J", "x"}), EINVAL),
	REFUSED(61, "an upload with invalid UTF-8 in its name", "a name that is no text",
		LIST({"a\xff", "x"}), EINVAL),
	REFUSED(61, "an upload with a space at the end of its name", "a name that is cut", LIST({"a ", "x"}),
		EINVAL),
	REFUSED(61, "an upload with a name of 201 bytes", "a name that is cut",
		LIST({LONG_NAME LONG_NAME LONG_NAME, "x"}), EINVAL),
	REFUSED(61, "an upload without a name", "the directory itself", LIST({"", "x"}), EINVAL),
};

const struct corpus_part corpus_exchange = {rows, ARRAY_SIZE(rows), false};
