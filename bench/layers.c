/* layers.c: what does each layer of a cell cost, alone and on top of the others?
 *
 * The payload is started with none, with each one alone, with the first two, the first three … of the list, and in a real
 * cell, in turns: how long that takes from the request to the end (`launch`), and how long its work takes inside. The
 * engine has no part in all but the last: these are the system calls themselves, without what the engine saves by having
 * them done before. */
#include "bench/lib/layers.h"
#include "bench/lib/cell.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"

#include <err.h>
#include <string.h>
#include <sys/stat.h>

struct options {
	struct cell_options cell;
	uint64_t launches;
	const char *only;
};

static const struct config_row rows[] = {
	CELL_ROWS("5"),
	{"launches", CONFIG_NUMBER, offsetof(struct options, launches), 1, 100000, "40", "launches of each"},
	{"only", CONFIG_STRING, offsetof(struct options, only), 1, 32, NULL, "this work alone"},
};

static const struct cell_usage usage = {
	rows, ARRAY_SIZE(rows), "layers [options]\nWhat each layer costs, alone and on top of the others.\n"};

/* Some hundredths of a second each. */
static const struct work {
	const char *name, *count;
} works[] = {{"launch", "1"}, {"integers", "20000000"}, {"getppids", "400000"}, {"files", "6000"},
	{"reads", "60000"}, {"allocations", "600000"}, {"pages", "8"}, {"forks", "300"}};

enum { WAYS = 2 * LAYER_N + 1, CELL_WAY = WAYS - 1 };

static const char *const layer_names[LAYER_N] = {
#define X(symbol, name) [LAYER_##symbol] = name,
	LAYERS_TABLE(X)
#undef X
};

static const char directory[] = "/dev/shm/cofferdam-bench-layers";
static struct layers_run base;
static struct sandbox *sandbox;

/* Way 0: none. Then each alone; then the first two, three … ; the cell last. */
static unsigned set_of(unsigned way)
{
	if (way == 0)
		return 0;
	if (way <= LAYER_N)
		return 1U << (way - 1);
	return (1U << (way - LAYER_N + 1)) - 1;
}

static void name_way(unsigned way, struct series *series)
{
	char *name = NULL;
	int r = 0;

	if (way == 0)
		name = strdup("none");
	else if (way == CELL_WAY)
		name = strdup("cell");
	else if (way <= LAYER_N)
		r = asprintf(&name, "%s", layer_names[way - 1]);
	else
		r = asprintf(&name, "… + %s", layer_names[way - LAYER_N]);
	if (r < 0 || name == NULL)
		err(1, "name");
	series->name = name;
	series->what = way == 0		 ? "no layer"
		       : way == CELL_WAY ? "all of it, by the engine, from its pool"
		       : way <= LAYER_N	 ? "alone"
					 : "and all before it";
}

static uint64_t in_cell(const char *name, const char *count)
{
	struct cell_work work = {
		.sandbox = sandbox, .payload_fd = base.payload_fd, .name = name, .count = count};

	cell_run(&work);
	if (work.result.cause != SANDBOX_EXITED || work.result.exit_code != 0)
		errx(1, "%s in a cell: %s", name, sandbox_cause_name(work.result.cause));
	return strtoull(work.text, NULL, 10);
}

static uint64_t run(const struct work *work, unsigned way)
{
	bool is_launch = strcmp(work->name, "launch") == 0;
	struct layers_run one = base;
	uint64_t begin, nsec;

	one.layers = set_of(way);
	one.name = is_launch ? "getppids" : work->name;
	one.count = work->count;
	cell_settle(sandbox);
	begin = series_now_nsec();
	nsec = way == CELL_WAY ? in_cell(one.name, one.count) : layers_run(&one);
	return is_launch ? series_now_nsec() - begin : nsec;
}

static json_t *measure(const struct options *options, const struct work *work)
{
	struct series series[WAYS] = {0};
	json_t *list = json_array();
	uint64_t rounds = strcmp(work->name, "launch") == 0 ? options->launches : options->cell.rounds;

	for (uint64_t round = 0; round < rounds; round++)
		for (unsigned i = 0; i < WAYS; i++) {
			unsigned way = (unsigned)(round + i) % WAYS;
			series_add(&series[way], run(work, way));
		}
	for (unsigned way = 0; way < WAYS; way++)
		name_way(way, &series[way]);
	(void)printf("%s\n", work->name);
	series_print(series, WAYS);
	(void)fflush(stdout);
	for (unsigned way = 0; way < WAYS; way++) {
		(void)json_array_append_new(list, series_json(&series[way]));
		free((char *)(uintptr_t)series[way].name);
		series_free(&series[way]);
	}
	return json_pack("{s:s, s:o}", "work", work->name, "series", list);
}

static void open_base(const struct options *options, const char *own, char *image, size_t size)
{
	struct sandbox_error error = {0};
	const struct policy *policy = policy_find(sandbox_policies(sandbox), "default");
	const struct filter_program *filter = &policy->steps[SANDBOX_RUN].filter;

	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		err(1, "%s", directory);
	(void)snprintf(image, size, "%s/base", options->cell.images_dir);
	base = (struct layers_run){.payload_fd = cell_payload(own),
		.directory = directory,
		.image = image,
		.program = {.len = filter->len, .filter = filter->insns}};
	if (layers_probe(&base.offered, &error) < 0 || cgroup_host_open(NULL, &base.host, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
}

static void close_base(void)
{
	char path[128];

	base.host = cgroup_host_close(base.host);
	(void)snprintf(path, sizeof(path), "%s/file", directory);
	(void)unlink(path);
	(void)rmdir(directory);
}

int main(int argc, char *argv[])
{
	static struct options parsed;
	json_t *list = json_array();
	char image[4096];

	cell_parse(&usage, &parsed, argc, argv);
	sandbox = cell_open(&parsed.cell, 4);
	open_base(&parsed, argv[0], image, sizeof(image));
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		if (parsed.only == NULL || strcmp(parsed.only, works[i].name) == 0)
			(void)json_array_append_new(list, measure(&parsed, &works[i]));
	close_base();
	sandbox = sandbox_close(sandbox);
	json_t *report = series_report("layers");
	(void)json_object_set_new(report, "works", list);
	series_write(report, parsed.cell.json);
	return 0;
}
