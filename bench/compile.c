/* compile.c: how long does a first compilation take, in a cell and outside?
 *
 * Three ways, in turns: what a person would type, outside (`g++ -std=c++17 -O2`, `go build` with a warm cache); the
 * policy's own command, outside; and the policy's step in a cell, from the request to the collected program. Outside is
 * the same image by chroot, with tmpfs where it writes; for the first way the precompiled header is hidden. Each source is
 * another one: no compiler and no cache has seen it. */
#include "bench/lib/cell.h"
#include "bench/lib/place.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"

#include <err.h>
#include <string.h>
#include <sys/mman.h>

static const struct config_row rows[] = {CELL_ROWS("9")};
static const struct cell_usage usage = {rows, ARRAY_SIZE(rows),
	"compile [options]\nFirst compilations in C++ and Go, in a cell and outside.\n"};

/* %u: the round. */
static const struct language {
	const char *name, *file, *source;
	const char *const *plain; /* argv */
	const char *const *plain_env;
	const char *hidden;	       /* from the plain way; NULL: nothing */
	const char *const *more_files; /* name, text, …, NULL: what the cell's policy adds by itself */
} languages[] = {
	{
		.name = "cpp",
		.file = "main.cpp",
		.source = "#include <bits/stdc++.h>\n"
			  "int main()\n{\n"
			  "\tstd::vector<int> v{3, 1, 2};\n\tstd::map<int, std::string> m{{%u, \"hello\"}};\n"
			  "\tstd::sort(v.begin(), v.end());\n\tfor (auto &[k, s] : m)\n"
			  "\t\tstd::cout << k << s << v[0] << std::endl;\n}\n",
		.plain = (const char *const[]){"/usr/bin/g++", "-std=c++17", "-O2", "-o", "program",
			"main.cpp", NULL},
		.plain_env = (const char *const[]){"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8", NULL},
		.hidden = "/usr/include/x86_64-linux-gnu/c++/14/bits/stdc++.h.gch",
		.more_files = (const char *const[]){NULL},
	},
	{
		.name = "go",
		.file = "main.go",
		.source =
			"package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(\"hello\", %u)\n}\n",
		.plain = (const char *const[]){"/usr/bin/go", "build", "-o", "program", ".", NULL},
		.plain_env = (const char *const[]){"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8",
			"GOCACHE=/opt/go-cache", "GOPROXY=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0", NULL},
		.more_files = (const char *const[]){"go.mod", "module program\n\ngo 1.24\n", NULL},
	},
};

enum way { PLAIN, POLICY, CELL, WAYS };

static const char *const way_names[WAYS] = {"plain", "policy", "cell"};
static const char *const way_whats[WAYS] = {"as a person would type it, outside",
	"the policy's command in the prepared image, outside",
	"the policy's step in a cell, program collected"};

static struct sandbox *sandbox;

/* --- in a cell -------------------------------------------------------------------------------------------------- */

static uint64_t in_cell(const struct language *language, const char *source)
{
	_cleanup_close_ int text = fd_memfd("source", source, strlen(source));
	_cleanup_close_ int program = memfd_create("program", MFD_CLOEXEC);
	const struct sandbox_file file = {.name = language->file, .fd = text};
	const struct sandbox_collect collect = {"program", program, 64 << 20};
	const struct sandbox_spec spec = {.policy = language->name,
		.step = SANDBOX_COMPILE,
		.files = &file,
		.nfiles = 1,
		.collects = &collect,
		.ncollects = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	struct sandbox_result result;
	struct sandbox_error error = {0};
	uint64_t begin = series_now_nsec();

	if (sandbox_run_one(sandbox, &spec, &result, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
	if (result.exit_code != 0 || result.collected[0].status != SANDBOX_COLLECTED)
		errx(1, "%s in a cell: %s %d", language->name, sandbox_cause_name(result.cause),
			result.exit_code);
	return series_now_nsec() - begin;
}

/* --- outside ---------------------------------------------------------------------------------------------------- */

static struct place *open_place(
	const struct cell_options *options, const struct language *language, enum way way)
{
	const struct policy *policy = policy_find(sandbox_policies(sandbox), language->name);
	const struct sandbox_file file = {.name = language->file, .fd = -1};
	const char *argv[BOUND_ARGS + 1];
	struct sandbox_error error = {0};
	char root[4096];

	if (policy == NULL || policy_argv(policy, SANDBOX_COMPILE, &file, 1, NULL, 0, argv, &error) < 0)
		errx(1, "%s: no such policy: %s", language->name, error.message);
	const struct policy_step *step = &policy->steps[SANDBOX_COMPILE];
	(void)snprintf(root, sizeof(root), "%s/%s", options->images_dir, step->image);
	return place_open(&(struct place_plan){
		.root = root,
		.writable = (const char *const *)step->writable,
		.hidden = way == PLAIN ? language->hidden : NULL,
		.files = language->more_files,
		.argv = way == PLAIN ? language->plain : argv,
		.env = way == PLAIN ? language->plain_env : (const char *const *)step->env,
		.file = language->file,
	});
}

/* --- measuring -------------------------------------------------------------------------------------------------- */

static json_t *measure(const struct cell_options *options, const struct language *language)
{
	struct place *places[CELL] = {
		open_place(options, language, PLAIN), open_place(options, language, POLICY)};
	struct series series[WAYS] = {0};
	json_t *list = json_array();
	unsigned number = 0;
	char source[1024];

	for (uint64_t round = 0; round <= options->rounds; round++)
		for (unsigned i = 0; i < WAYS; i++) {
			unsigned way = (unsigned)(round + i) % WAYS;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(source, sizeof(source), language->source, ++number);
#pragma GCC diagnostic pop
			cell_settle(sandbox);
			uint64_t taken =
				way == CELL ? in_cell(language, source) : place_run(places[way], source);
			if (round > 0) /* the first warms caches up */
				series_add(&series[way], taken);
		}
	double plain = (double)series_percentile(&series[PLAIN], 50);
	(void)printf("%-4s %8.1f ms plain, %6.3f policy outside, %6.3f in a cell\n", language->name,
		plain / 1e6, (double)series_percentile(&series[POLICY], 50) / plain,
		(double)series_percentile(&series[CELL], 50) / plain);
	(void)fflush(stdout);
	for (unsigned i = 0; i < WAYS; i++) {
		series[i].name = way_names[i];
		series[i].what = way_whats[i];
		(void)json_array_append_new(list, series_json(&series[i]));
		series_free(&series[i]);
	}
	for (unsigned i = 0; i < CELL; i++)
		place_close(places[i]);
	return json_pack("{s:s, s:o}", "language", language->name, "series", list);
}

int main(int argc, char *argv[])
{
	static struct cell_options options;
	json_t *list = json_array();

	cell_parse(&usage, &options, argc, argv);
	sandbox = cell_open(&options, 4);
	for (size_t i = 0; i < ARRAY_SIZE(languages); i++)
		(void)json_array_append_new(list, measure(&options, &languages[i]));
	sandbox = sandbox_close(sandbox);
	json_t *report = series_report("compile");
	(void)json_object_set_new(report, "languages", list);
	series_write(report, options.json);
	return 0;
}
