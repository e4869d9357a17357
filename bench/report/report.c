/* report.c: what the benchmarks have written, as one page with tables and plots.
 *
 *   report DIR     reads DIR/NAME.json of every benchmark that is there, writes DIR/report.md and DIR/NAME*.svg */
#include "bench/report/chart.h"

#include <err.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BARS_MAX = 64 };

static FILE *page;
static const char *dir;

static double number(const json_t *json, const char *key)
{
	return json_number_value(json_object_get(json, key));
}

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "";
}

/* Owned by nobody: lives as long as the program, which is short. */
static const char *format(const char *form, double value)
{
	char *line = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (asprintf(&line, form, value) < 0)
		err(1, "text");
#pragma GCC diagnostic pop
	return line;
}

static const char *join(const char *a, const char *b)
{
	char *line = NULL;

	if (asprintf(&line, "%s, %s", a, b) < 0)
		err(1, "text");
	return line;
}

static const char *time_text(double nsec)
{
	if (nsec < 1e6)
		return format("%.0f us", nsec / 1e3);
	return nsec < 1e9 ? format("%.2f ms", nsec / 1e6) : format("%.2f s", nsec / 1e9);
}

static void picture(const char *name, const char *title, const struct bar *bars, size_t n, double mark)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s.svg", dir, name);
	chart_write(path, title, bars, n, mark);
	(void)fprintf(page, "![%s](%s.svg)\n\n", title, name);
}

/* --- a list of series ------------------------------------------------------------------------------------------- */

/* Bars to the median, a line from it to the 99th percentile; and the table. The first is what the others are held
 * against. */
static void series(const char *name, const char *title, const json_t *list)
{
	struct bar bars[BARS_MAX];
	size_t n = json_array_size(list) < BARS_MAX ? json_array_size(list) : BARS_MAX;
	double first = number(json_array_get(list, 0), "p50_nsec");

	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(list, i);
		double p50 = number(one, "p50_nsec");
		bars[i] = (struct bar){.label = text(one, "name"),
			.value = p50,
			.low = p50,
			.high = number(one, "p99_nsec"),
			.text = time_text(p50)};
	}
	picture(name, title, bars, n, first);
	(void)fputs("| | n | p50 | p90 | p99 | p50, ratio | |\n|---|---|---|---|---|---|---|\n", page);
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(list, i);
		(void)fprintf(page, "| %s | %.0f | %s | %s | %s | %.2f | %s |\n", text(one, "name"),
			number(one, "n"), time_text(number(one, "p50_nsec")),
			time_text(number(one, "p90_nsec")), time_text(number(one, "p99_nsec")),
			first > 0 ? number(one, "p50_nsec") / first : 0, text(one, "what"));
	}
	(void)fputc('\n', page);
}

/* --- the benchmarks --------------------------------------------------------------------------------------------- */

static void report_launch(const json_t *report)
{
	series("launch", "/bin/true: median, and up to the 99th percentile",
		json_object_get(report, "series"));
}

static void report_rate(const json_t *report)
{
	double bare = number(report, "bare_per_second"), cells = number(report, "cells_per_second");
	const json_t *half = json_object_get(report, "half");
	double p50 = number(half, "p50_nsec"), p99 = number(half, "p99_nsec");

	(void)fprintf(page,
		"| | per second | ratio |\n|---|---|---|\n| bare processes in seven new namespaces | %.0f | "
		"1 |\n"
		"| fresh cells, complete | %.0f | %.2f |\n\n",
		bare, cells, cells / bare);
	(void)fprintf(page, "At half of that rate: median %s, 99th percentile %s, %.1f times the median.\n\n",
		time_text(p50), time_text(p99), p50 > 0 ? p99 / p50 : 0);
}

/* A row for each set of layers: its launch, and its work as a multiple of the same without any. */
static void report_layers(const json_t *report)
{
	struct bar bars[BARS_MAX];
	const json_t *works = json_object_get(report, "works"), *work, *way,
		     *first = json_object_get(json_array_get(works, 0), "series");
	size_t i, k, n = 0;

	(void)fputs("| layers | |", page);
	json_array_foreach(works, k, work)(void) fprintf(page, " %s |", text(work, "work"));
	(void)fputs("\n|---|---|", page);
	json_array_foreach(works, k, work)(void) fputs("---|", page);
	(void)fputc('\n', page);
	json_array_foreach(first, i, way)
	{
		(void)fprintf(page, "| %s | %s |", text(way, "name"), text(way, "what"));
		json_array_foreach(works, k, work)
		{
			const json_t *list = json_object_get(work, "series");
			double none = number(json_array_get(list, 0), "p50_nsec"),
			       p50 = number(json_array_get(list, i), "p50_nsec");
			if (strcmp(text(work, "work"), "launch") == 0)
				(void)fprintf(page, " %s |", time_text(p50));
			else
				(void)fprintf(page, " %.2f |", p50 / none);
		}
		(void)fputc('\n', page);
		if (n < BARS_MAX)
			bars[n++] = (struct bar){.label = text(way, "name"),
				.value = number(way, "p50_nsec"),
				.text = time_text(number(way, "p50_nsec"))};
	}
	(void)fputc('\n', page);
	picture("layers", text(json_array_get(works, 0), "work"), bars, n, 0);
}

static void report_precision(const json_t *report)
{
	json_t *times = json_array();
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(report, "series"), i, one)
	{
		if (strcmp(text(one, "name"), "memory_truth") != 0)
			(void)json_array_append(times, one);
		else
			(void)fprintf(page, "Memory: %s, median %.2f MiB.\n\n", text(one, "what"),
				number(one, "p50_nsec") / (1 << 20));
	}
	series("precision", "Limits of time, and reported time", times);
	json_decref(times);
}

static void report_repeat(const json_t *report)
{
	const json_t *one;
	size_t i;

	(void)fputs("| | runs | p5 | p50 | p95 | p5 to p95 | |\n|---|---|---|---|---|---|---|\n", page);
	json_array_foreach(json_object_get(report, "series"), i, one)
	{
		double width = (number(one, "p95_nsec") - number(one, "p5_nsec")) / number(one, "p50_nsec");
		(void)fprintf(page, "| %s | %.0f | %s | %s | %s | %.2f %% | %s |\n", text(one, "name"),
			number(one, "n"), time_text(number(one, "p5_nsec")),
			time_text(number(one, "p50_nsec")), time_text(number(one, "p95_nsec")), 100 * width,
			text(one, "what"));
	}
	(void)fputc('\n', page);
}

static void report_work(const json_t *report)
{
	struct bar bars[BARS_MAX];
	const json_t *one;
	size_t i, k, n = 0;

	(void)fputs("| work | native | seccomp alone | speculation alone | both | in a cell |\n"
		    "|---|---|---|---|---|---|\n",
		page);
	json_array_foreach(json_object_get(report, "works"), i, one)
	{
		const json_t *list = json_object_get(one, "series"), *way;
		double native = number(json_array_get(list, 0), "p50_nsec"), ratio = 1;
		(void)fprintf(page, "| %s | %s |", text(one, "work"), time_text(native));
		json_array_foreach(list, k, way)
		{
			ratio = number(way, "p50_nsec") / native;
			if (k > 0)
				(void)fprintf(page, " %.3f |", ratio);
		}
		(void)fputc('\n', page);
		if (n < BARS_MAX) /* the last way is the cell */
			bars[n++] = (struct bar){
				.label = text(one, "work"), .value = ratio, .text = format("%.3f", ratio)};
	}
	(void)fputc('\n', page);
	picture("work", "Work in a cell, as a multiple of the same outside (medians)", bars, n, 1);
}

static void report_compile(const json_t *report)
{
	struct bar bars[BARS_MAX];
	const json_t *one, *way;
	size_t i, k, n = 0;

	(void)fputs("| | way | p50 | p90 | ratio | |\n|---|---|---|---|---|---|\n", page);
	json_array_foreach(json_object_get(report, "languages"), i, one)
	{
		const json_t *list = json_object_get(one, "series");
		double plain = number(json_array_get(list, 0), "p50_nsec");
		json_array_foreach(list, k, way)
		{
			double p50 = number(way, "p50_nsec");
			(void)fprintf(page, "| %s | %s | %s | %s | %.2f | %s |\n", text(one, "language"),
				text(way, "name"), time_text(p50), time_text(number(way, "p90_nsec")),
				p50 / plain, text(way, "what"));
			if (n < BARS_MAX)
				bars[n++] =
					(struct bar){.label = join(text(one, "language"), text(way, "name")),
						.value = p50,
						.text = time_text(p50)};
		}
	}
	(void)fputc('\n', page);
	picture("compile", "First compilations (medians)", bars, n, 0);
}

static void report_jobs(const json_t *report)
{
	struct bar bars[BARS_MAX];
	const json_t *one, *backlog = json_object_get(report, "backlog");
	size_t i, n = 0;

	(void)fprintf(page, "Idle, service and supervisor hold %.1f MiB.\n\n",
		number(report, "idle_memory_bytes") / (1 << 20));
	series("jobs_alone", "POST to final status, one job at a time", json_object_get(report, "alone"));
	(void)fputs("| clients | jobs/s | p50 | p99 | memory |\n|---|---|---|---|---|\n", page);
	json_array_foreach(json_object_get(report, "sustained"), i, one)
	{
		const json_t *latency = json_object_get(one, "latency");
		double rate = number(one, "jobs_per_second");
		(void)fprintf(page, "| %.0f | %.0f | %s | %s | %.1f MiB |\n", number(one, "clients"), rate,
			time_text(number(latency, "p50_nsec")), time_text(number(latency, "p99_nsec")),
			number(one, "memory_bytes") / (1 << 20));
		if (n < BARS_MAX)
			bars[n++] = (struct bar){.label = format("%.0f clients", number(one, "clients")),
				.value = rate,
				.text = format("%.0f jobs/s", rate)};
	}
	(void)fputc('\n', page);
	picture("jobs_sustained", "Cached jobs per second, HTTP to stored result", bars, n, 0);
	if (backlog == NULL)
		return;
	(void)fputs("| queued | POST p50 | p99 | jobs/s then | memory | write-ahead log "
		    "|\n|---|---|---|---|---|---|\n",
		page);
	json_array_foreach(json_object_get(backlog, "depths"), i, one)
	{
		const json_t *post = json_object_get(one, "post");
		(void)fprintf(page, "| %.0f | %s | %s | %.0f | %.1f MiB | %.1f MiB |\n",
			number(one, "queued"), time_text(number(post, "p50_nsec")),
			time_text(number(post, "p99_nsec")), number(one, "jobs_per_second"),
			number(one, "memory_bytes") / (1 << 20), number(one, "log_bytes") / (1 << 20));
	}
	(void)fprintf(page, "\n%.0f jobs, each with its result, after %.1f s.\n\n", number(backlog, "jobs"),
		number(backlog, "seconds"));
}

static void report_nodes(const json_t *report)
{
	struct bar bars[BARS_MAX];
	const json_t *way;
	size_t i, n = 0;

	(void)fputs("| way | workers | jobs/s | POST p50 | p99 |\n|---|---|---|---|---|\n", page);
	json_array_foreach(json_object_get(report, "ways"), i, way)
	{
		const json_t *post = json_object_get(way, "post");
		double rate = number(way, "jobs_per_second");
		(void)fprintf(page, "| %s | %.0f | %.0f | %s | %s |\n", text(way, "name"),
			number(way, "workers"), rate, time_text(number(post, "p50_nsec")),
			time_text(number(post, "p99_nsec")));
		if (n < BARS_MAX)
			bars[n++] = (struct bar){.label = text(way, "name"),
				.value = rate,
				.text = format("%.0f jobs/s", rate)};
	}
	(void)fputc('\n', page);
	picture("nodes", "Cached jobs per second, first POST to last result", bars, n, 0);
}

static const struct {
	const char *name, *title;
	void (*report)(const json_t *report);
} benches[] = {
	{"launch", "Launch latency", report_launch},
	{"rate", "Cells per second", report_rate},
	{"layers", "Layer by layer", report_layers},
	{"work", "Overhead at work", report_work},
	{"compile", "First compilations", report_compile},
	{"precision", "Precision of limits", report_precision},
	{"jobs", "End to end", report_jobs},
	{"nodes", "One machine's backends and AWS's", report_nodes},
	{"repeat", "Repeatability", report_repeat},
};

static void describe(const json_t *report)
{
	const json_t *machine = json_object_get(report, "machine");

	(void)fprintf(page, "%s: %.0f CPUs (%s), %.0f GiB, Linux %s, cgroup %s, spectre_v2: %s.\n\n",
		text(report, "at"), number(machine, "cpus"), text(machine, "cpu"),
		number(machine, "memory_bytes") / (1 << 30), text(machine, "kernel"), text(machine, "cgroup"),
		text(machine, "spectre_v2"));
}

int main(int argc, char *argv[])
{
	char path[4096];

	if (argc != 2)
		errx(2, "report DIR");
	dir = argv[1];
	(void)snprintf(path, sizeof(path), "%s/report.md", dir);
	page = fopen(path, "we");
	if (page == NULL)
		err(1, "%s", path);
	(void)fputs("# Benchmarks of Cofferdam\n\n", page);
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		json_error_t error;
		(void)snprintf(path, sizeof(path), "%s/%s.json", dir, benches[i].name);
		json_t *report = json_load_file(path, 0, &error);
		if (report == NULL)
			continue; /* was not run */
		(void)fprintf(page, "## %s\n\n", benches[i].title);
		describe(report);
		benches[i].report(report);
		json_decref(report);
	}
	if (fclose(page) != 0)
		err(1, "report.md");
	(void)printf("%s/report.md\n", dir);
	return 0;
}
