/* verify.c: `cofferdam verify`: tries the attack corpus on this host, in cells as the deployed policies make them. */
#include "sandbox/cli/cli.h"
#include "sandbox/verify/trial.h"

#include <string.h>

struct verify_options {
	struct engine_config engine;
	const char *probes_dir;
	uint64_t number;
	bool is_json, is_list;
};

static const struct config_row rows[] = {
	{"PROBES_DIR", CONFIG_STRING, offsetof(struct verify_options, probes_dir), 1, 4000,
		DEFAULT_PROBES_DIR, "attack programs"},
	{"row", CONFIG_NUMBER, offsetof(struct verify_options, number), 0, 1000, "0",
		"try this row only; 0: all"},
	{"json", CONFIG_FLAG, offsetof(struct verify_options, is_json), 0, 0, NULL, "print JSON"},
	{"list", CONFIG_FLAG, offsetof(struct verify_options, is_list), 0, 0, NULL,
		"list the rows, try none"},
	ENGINE_ROWS(verify_options, engine)};

static const char usage[] = "cofferdam verify [options]\n"
			    "Attacks cells that are made as the deployed policies say, and looks at the host "
			    "before and after. Exit "
			    "status 1: an\nattack succeeded, or failed for another reason than it must.\n";

enum { EXIT_BREACH = 1 };

/* What became of one row at all its sites. */
struct line {
	const struct corpus_row *row;
	unsigned counts[TRIAL_SKIPPED + 1];
	char seen[TRIAL_TEXT]; /* of the first site */
	char why[TRIAL_TEXT];  /* skipped: the last reason */
};

struct survey {
	const struct verify_options *options;
	struct bench bench;
	json_t *list;			    /* owned; --json */
	unsigned counts[TRIAL_SKIPPED + 1]; /* of rows */
};

static bool is_wanted(const struct verify_options *options, const struct corpus_row *row)
{
	return options->number == 0 || options->number == (uint64_t)row->number;
}

/* --- the table ------------------------------------------------------------------------------------------------- */

enum { WIDTH_NAME = 44, WIDTH_TEXT = 34 };

/* TEXT in a column of WIDTH, cut if it must be. */
static void print_column(const char *text, int width)
{
	if ((int)strlen(text) > width)
		(void)printf("%.*s… ", width - 1, text);
	else
		(void)printf("%-*s ", width, text);
}

static void print_head(void)
{
	(void)printf("%3s  ", "row");
	print_column("what is tried", WIDTH_NAME);
	print_column("expected", WIDTH_TEXT);
	print_column("seen", WIDTH_TEXT);
	(void)puts("sites");
}

static enum trial_status line_status(const struct line *line)
{
	if (line->counts[TRIAL_FAILED] > 0)
		return TRIAL_FAILED;
	return line->counts[TRIAL_OK] > 0 ? TRIAL_OK : TRIAL_SKIPPED;
}

static void print_line(const struct line *line)
{
	char expected[TRIAL_TEXT];
	enum trial_status status = line_status(line);
	unsigned tried = line->counts[TRIAL_OK] + line->counts[TRIAL_FAILED];

	corpus_expected(line->row, expected, sizeof(expected));
	(void)printf("%3d  ", line->row->number);
	print_column(line->row->name, WIDTH_NAME);
	print_column(expected, WIDTH_TEXT);
	print_column(status == TRIAL_SKIPPED ? line->why : line->seen, WIDTH_TEXT);
	if (status == TRIAL_SKIPPED)
		(void)puts("skipped");
	else
		(void)printf("%u/%u %s\n", line->counts[TRIAL_OK], tried, trial_status_name(status));
	(void)fflush(stdout);
}

static void print_failure(const struct trial *trial)
{
	char expected[TRIAL_TEXT];

	corpus_expected(trial->row, expected, sizeof(expected));
	(void)printf(
		"FAILED: row %d, %s, at %s\n     reproduces: %s\n     expected:   %s\n     but:        %s\n",
		trial->row->number, trial->row->name, trial->site->name, trial->row->origin, expected,
		trial->why);
}

/* --- the rows -------------------------------------------------------------------------------------------------- */

static int add_json(struct survey *survey, const struct trial *trial)
{
	char expected[TRIAL_TEXT];

	corpus_expected(trial->row, expected, sizeof(expected));
	return json_array_append_new(
		survey->list, json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "row", trial->row->number,
				      "name", trial->row->name, "origin", trial->row->origin, "site",
				      trial->site->name, "expected", expected, "seen", trial->seen, "status",
				      trial_status_name(trial->status), "reason", trial->why));
}

static int note_trial(struct survey *survey, struct line *line, const struct trial *trial)
{
	if (line->seen[0] == '\0')
		memcpy(line->seen, trial->seen, sizeof(line->seen));
	if (trial->status == TRIAL_SKIPPED)
		memcpy(line->why, trial->why, sizeof(line->why));
	line->counts[trial->status]++;
	if (survey->options->is_json)
		return add_json(survey, trial);
	if (trial->status == TRIAL_FAILED)
		print_failure(trial);
	return 0;
}

static int try_row(struct survey *survey, const struct corpus_row *row, struct sandbox_error *err)
{
	struct line line = {.row = row, .why = "no deployed step is of this kind"};
	static struct trial trial;
	int r = 0;

	for (size_t i = 0; r == 0 && i < survey->bench.nsites; i++) {
		if (!corpus_fits(row, survey->bench.sites, i))
			continue;
		trial_perform(&survey->bench, row, &survey->bench.sites[i], &trial);
		if (survey->bench.is_caught)
			return error_set(err, EINTR, "verify", "interrupted");
		r = note_trial(survey, &line, &trial);
	}
	if (r < 0)
		return error_set(err, ENOMEM, "verify", "no memory");
	survey->counts[line_status(&line)]++;
	if (!survey->options->is_json)
		print_line(&line);
	return 0;
}

static int try_all(struct survey *survey, struct sandbox_error *err)
{
	int r = 0;

	if (!survey->options->is_json)
		print_head();
	for (size_t i = 0; r == 0 && corpus_row(i) != NULL; i++)
		if (is_wanted(survey->options, corpus_row(i)))
			r = try_row(survey, corpus_row(i), err);
	return r;
}

/* The exit status, or -errno with ERR. */
static int conclude(struct survey *survey, struct sandbox_error *err)
{
	const unsigned *counts = survey->counts;

	if (survey->options->is_json) {
		int r = cli_report_write(STDOUT_FILENO,
			json_pack("{s:i, s:i, s:i, s:O}", "ok", (int)counts[TRIAL_OK], "failed",
				(int)counts[TRIAL_FAILED], "skipped", (int)counts[TRIAL_SKIPPED], "trials",
				survey->list),
			err);
		if (r < 0)
			return r;
	} else {
		(void)printf("%u rows hold, %u failed, %u skipped\n", counts[TRIAL_OK], counts[TRIAL_FAILED],
			counts[TRIAL_SKIPPED]);
	}
	if (counts[TRIAL_FAILED] > 0)
		return EXIT_BREACH;
	if (counts[TRIAL_OK] == 0)
		return error_set(
			err, ENOENT, "verify", "nothing was tried: there is no such row, or no image");
	return 0;
}

static int list_rows(const struct verify_options *options)
{
	for (size_t i = 0; corpus_row(i) != NULL; i++) {
		const struct corpus_row *row = corpus_row(i);
		if (!is_wanted(options, row))
			continue;
		(void)printf("%3d  ", row->number);
		print_column(row->name, WIDTH_NAME);
		(void)printf("%s\n", row->origin);
	}
	return 0;
}

static int verify(const struct verify_options *options, struct sandbox_error *err)
{
	static struct survey survey;
	struct bench_options bench = {
		.policies_dir = options->engine.policies_dir,
		.images_dir = options->engine.images_dir,
		.cgroup_parent = options->engine.cgroup_parent,
		.uid_base = (uint32_t)options->engine.uid_base,
		.probes_dir = options->probes_dir,
	};

	if (geteuid() != 0)
		return error_set(err, EPERM, "usage", "cells are made by root (sudo cofferdam ...)");
	survey.options = options;
	survey.list = json_array();
	_cleanup_close_ int signal_fd = cli_open_signals(err);
	bench.signal_fd = signal_fd;
	int r = survey.list == NULL ? error_set(err, ENOMEM, "verify", "no memory") : signal_fd;
	if (r >= 0)
		r = bench_leave_others_alone(err);
	if (r == 0)
		r = bench_open(&survey.bench, &bench, err);
	if (r == 0)
		r = try_all(&survey, err);
	bench_close(&survey.bench);
	if (r == 0)
		r = conclude(&survey, err);
	json_decref(survey.list);
	return r;
}

int command_verify(int argc, char *argv[])
{
	struct verify_options options;
	struct sandbox_error err = {0};
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, argc, argv, usage, stdout, &next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0 && next < argc)
		r = error_set(&err, EINVAL, "usage", "unexpected argument: %.64s", argv[next]);
	if (r == 0)
		r = options.is_list ? list_rows(&options) : verify(&options, &err);
	return r < 0 ? cli_complain(&err) : r;
}
