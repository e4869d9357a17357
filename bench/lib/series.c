#include "bench/lib/series.h"

#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

uint64_t series_now_nsec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void series_add(struct series *series, uint64_t nsec)
{
	if (series->n == series->room) {
		series->room = series->room ? 2 * series->room : 256;
		series->nsec = reallocarray(series->nsec, series->room, sizeof(*series->nsec));
		if (series->nsec == NULL)
			err(1, "samples");
	}
	series->nsec[series->n++] = nsec;
}

void series_free(struct series *series)
{
	free(series->nsec);
	series->nsec = NULL;
	series->n = series->room = 0;
}

static int smaller(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t series_percentile(const struct series *series, double percent)
{
	if (series->n == 0)
		return 0;
	uint64_t *sorted = reallocarray(NULL, series->n, sizeof(*sorted));
	if (sorted == NULL)
		err(1, "samples");
	memcpy(sorted, series->nsec, series->n * sizeof(*sorted));
	qsort(sorted, series->n, sizeof(*sorted), smaller);
	double rank = ceil(percent / 100 * (double)series->n);
	uint64_t found = sorted[rank < 1 ? 0 : (size_t)rank - 1];
	free(sorted);
	return found;
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *series_json(const struct series *series)
{
	double sum = 0;

	for (size_t i = 0; i < series->n; i++)
		sum += (double)series->nsec[i];
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", series->name, "what",
		series->what, "n", number(series->n), "min_nsec", number(series_percentile(series, 0)),
		"p50_nsec", number(series_percentile(series, 50)), "p90_nsec",
		number(series_percentile(series, 90)), "p99_nsec", number(series_percentile(series, 99)),
		"max_nsec", number(series_percentile(series, 100)), "mean_nsec",
		number(series->n ? (uint64_t)(sum / (double)series->n) : 0));
}

void series_print(const struct series *series, size_t n)
{
	double first = n > 0 ? (double)series_percentile(&series[0], 50) : 0;

	(void)printf("%-16s %10s %10s %10s %8s\n", "", "p50 us", "p90 us", "p99 us", "ratio");
	for (size_t i = 0; i < n; i++) {
		double p50 = (double)series_percentile(&series[i], 50);
		if (series[i].n > 0)
			(void)printf("%-16s %10.1f %10.1f %10.1f %8.2f   %s\n", series[i].name, p50 / 1e3,
				(double)series_percentile(&series[i], 90) / 1e3,
				(double)series_percentile(&series[i], 99) / 1e3, first > 0 ? p50 / first : 0,
				series[i].what);
	}
}

/* --- the machine ----------------------------------------------------------------------------------------------- */

/* What follows "KEY" and a colon in the first line of PATH that begins so; or its first line when KEY is NULL. */
static void line_of(const char *path, const char *key, char *ret, size_t size)
{
	char line[512];
	FILE *file = fopen(path, "re");

	ret[0] = '\0';
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *value = line;
		if (key != NULL && strncmp(line, key, strlen(key)) != 0)
			continue;
		if (key != NULL && (value = strchr(line, ':')) == NULL)
			continue;
		value += key != NULL ? 1 + strspn(value + 1, " \t") : 0;
		(void)snprintf(ret, size, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	if (file != NULL)
		(void)fclose(file);
}

static json_t *machine(void)
{
	char cpu[256], spectre[256];
	struct utsname name;

	(void)uname(&name);
	line_of("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	line_of("/sys/devices/system/cpu/vulnerabilities/spectre_v2", NULL, spectre, sizeof(spectre));
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o}", "cpu", cpu, "cpus",
		(int)sysconf(_SC_NPROCESSORS_ONLN), "kernel", name.release, "spectre_v2", spectre, "cgroup",
		access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "v2" : "v1", "memory_bytes",
		number((uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE)));
}

json_t *series_report(const char *name)
{
	char at[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return json_pack("{s:s, s:s, s:o}", "bench", name, "at", at, "machine", machine());
}

void series_write(json_t *report, const char *path)
{
	if (path != NULL && json_dump_file(report, path, JSON_INDENT(2)) < 0)
		err(1, "%s", path);
	json_decref(report);
}
