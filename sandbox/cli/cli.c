#include "sandbox/cli/cli.h"

#include "sandbox/json/json_text.h"
#include "sandbox/report/report.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

/* --- options ------------------------------------------------------------------------------------------------ */

static bool asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "--help-markdown") == 0;
}

int cli_split(const struct config_row *rows, size_t nrows, int argc, char *argv[], struct cli_words *ret)
{
	struct cli_words words = {
		.options = calloc((size_t)argc + 1, sizeof(char *)),
		.words = calloc((size_t)argc + 1, sizeof(char *)),
		.rest = argv + argc,
	};

	if (words.options == NULL || words.words == NULL) {
		cli_words_free(&words);
		return -ENOMEM;
	}
	words.options[words.noptions++] = argv[0];
	for (int i = 1; i < argc; i++) {
		const struct config_row *row = config_find(rows, nrows, argv[i]);
		if (strcmp(argv[i], "--") == 0) {
			words.rest = argv + i + 1;
			words.nrest = argc - i - 1;
			break;
		}
		if (row == NULL && !asks_for_help(argv[i])) {
			words.words[words.nwords++] = argv[i];
			continue;
		}
		words.options[words.noptions++] = argv[i];
		if (row != NULL && row->type != CONFIG_FLAG && strchr(argv[i], '=') == NULL && i + 1 < argc)
			words.options[words.noptions++] = argv[++i];
	}
	*ret = words;
	return 0;
}

void cli_words_free(struct cli_words *words)
{
	free(words->options);
	free(words->words);
	words->options = words->words = NULL;
}

/* --- saying things ------------------------------------------------------------------------------------------ */

int cli_complain(const struct sandbox_error *err)
{
	if (strcmp(err->stage, "config") == 0 || strcmp(err->stage, "usage") == 0)
		(void)fprintf(stderr, "cofferdam: %s\n", err->message);
	else
		(void)fprintf(stderr, "cofferdam: %s: %s\n", err->stage, err->message);
	return EXIT_FAULT;
}

int cli_exit_status(const struct sandbox_result *result, int caught)
{
	switch (result->cause) {
	case SANDBOX_EXITED:
		return result->exit_code;
	case SANDBOX_SIGNALED:
		return EXIT_SIGNAL + result->signal;
	case SANDBOX_FORBIDDEN_SYSCALL:
		return EXIT_SIGNAL + SIGSYS;
	case SANDBOX_CANCELLED:
		return caught ? EXIT_SIGNAL + caught : EXIT_FAULT;
	default:
		return EXIT_LIMIT;
	}
}

void cli_explain(const struct sandbox_result *result, const struct sandbox_limits *limits, const char *what)
{
	char line[256];

	if (result->cause == SANDBOX_EXITED || result->cause == SANDBOX_SIGNALED ||
		result->cause == SANDBOX_CANCELLED)
		return;
	report_explain(result, limits, line, sizeof(line));
	(void)fprintf(stderr, "cofferdam: %s%s: %s\n", what,
		sandbox_cause_name((enum sandbox_cause)result->cause), line);
}

int cli_report_open(const char *path, int *ret, struct sandbox_error *err)
{
	*ret = -1;
	if (path == NULL)
		return 0;
	*ret = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	return *ret < 0 ? error_errno(err, "report", "%.128s", path) : 0;
}

int cli_report_write(int fd, json_t *json, struct sandbox_error *err)
{
	if (fd < 0) {
		json_decref(json);
		return 0;
	}
	_cleanup_free_ char *text = json_text_print(json, JSON_INDENT(2), NULL);
	json_decref(json);
	if (text == NULL)
		return error_set(err, ENOMEM, "report", "no memory");
	int r = fd_write_all(fd, text, strlen(text));
	if (r == 0)
		r = fd_write_all(fd, "\n", 1);
	return r < 0 ? error_set(err, -r, "report", "%s", strerrordesc_np(-r)) : 0;
}

void cli_report_fault(int fd, const struct sandbox_error *fault)
{
	(void)cli_report_write(fd, json_pack("{s:o}", "error", report_error(fault)), NULL);
}

int cli_open_signals(struct sandbox_error *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(err, "signals", "sigprocmask");
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_errno(err, "signals", "signalfd") : fd;
}
