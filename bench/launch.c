/* launch.c: how long does a run of /bin/true take, from the request to its result?
 *
 * All ways are taken in turns, one run of each per round, so that whatever else the machine does falls on all of them
 * alike. `fork_exec` is the floor; every figure is also given as its multiple. */
#include "bench/lib/bundle.h"
#include "bench/lib/cell.h"
#include "bench/lib/floor.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"

#include <err.h>
#include <string.h>

struct options {
	struct cell_options cell;
	struct config_list peers;
};

static const struct config_row rows[] = {
	CELL_ROWS("500"),
	{"peer", CONFIG_LIST, offsetof(struct options, peers), 3, 4000, NULL,
		"NAME=COMMAND: another way to run /bin/true, measured beside the others"},
};

static const struct cell_usage usage = {
	rows, ARRAY_SIZE(rows), "launch [options]\nThe latency of /bin/true, sandboxed and not.\n"};

static char true_path[] = "/bin/true";
static char *const true_argv[] = {true_path, NULL};

/* --- the ways --------------------------------------------------------------------------------------------------- */

struct way {
	struct series series;
	int (*run)(const struct way *way); /* 0: it ran, and to its end */
	char **argv;			   /* of a command; owned */
};

static struct sandbox *pooled, *unpooled;
static const struct options *options;

static int run_in(struct sandbox *engine)
{
	static const char *const args[] = {"/bin/true"};
	const struct sandbox_spec spec = {.policy = "default",
		.step = SANDBOX_RUN,
		.args = args,
		.nargs = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	struct sandbox_result result;
	struct sandbox_error error = {0};

	if (sandbox_run_one(engine, &spec, &result, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
	if (result.cause != SANDBOX_EXITED || result.exit_code != 0)
		errx(1, "/bin/true in a cell: %s", sandbox_cause_name(result.cause));
	return 0;
}

static int fork_exec(const struct way *way)
{
	(void)way;
	return floor_fork_exec(true_argv);
}

static int clone_all(const struct way *way)
{
	(void)way;
	return floor_clone_all(true_argv);
}

static int cell(const struct way *way)
{
	(void)way;
	return run_in(pooled);
}

static int cell_fresh(const struct way *way)
{
	(void)way;
	return run_in(unpooled);
}

static int cell_cold(const struct way *way)
{
	(void)way;
	struct sandbox *engine = cell_open(&options->cell, 0);
	int r = run_in(engine);
	(void)sandbox_close(engine);
	return r;
}

static int command(const struct way *way)
{
	return floor_fork_exec(way->argv);
}

/* --- peers ------------------------------------------------------------------------------------------------------ */

enum { WAYS_MAX = 32, WORDS_MAX = 64 };

static struct way ways[WAYS_MAX];
static size_t nways;

static void add(const char *name, const char *what, int (*run)(const struct way *), char **argv)
{
	if (nways < WAYS_MAX)
		ways[nways++] =
			(struct way){.series = {.name = name, .what = what}, .run = run, .argv = argv};
}

/* The file that NAME means in PATH; NULL: none. Owned. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	char *found = NULL;

	if (strchr(name, '/') != NULL)
		return strdup(name);
	for (path = path ? path : ""; *path != '\0'; path += strcspn(path, ":"), path += *path == ':') {
		if (asprintf(&found, "%.*s/%s", (int)strcspn(path, ":"), path, name) < 0)
			return NULL;
		if (access(found, X_OK) == 0)
			return found;
		free(found);
	}
	return NULL;
}

/* Words at blanks; there is no quoting. What is not installed, or does not run here, is left out, unless it MUST_RUN. */
static void add_command(const char *name, const char *text, bool must_run)
{
	char *words = strdup(text), **argv = calloc(WORDS_MAX, sizeof(*argv));
	char *rest = words, *word;
	size_t n = 0;

	while (words != NULL && argv != NULL && n < WORDS_MAX - 1 && (word = strsep(&rest, " ")) != NULL)
		if (*word != '\0')
			argv[n++] = word;
	if (n == 0)
		errx(1, "%s: no command", name);
	argv[0] = find_program(argv[0]);
	if (argv[0] != NULL && floor_fork_exec(argv) == 0) {
		add(name, text, command, argv);
		return;
	}
	const char *why = argv[0] != NULL ? "does not run here" : "no such program";
	if (must_run)
		errx(1, "%s: %s", name, why);
	if (argv[0] != NULL)
		warnx("%s is left out: it %s", name, why);
	free(argv);
	free(words);
}

static const struct {
	const char *name, *command;
} known_peers[] = {
	{"bubblewrap",
		"bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp "
		"--chdir /tmp /bin/true"},
	{"firejail", "firejail --quiet --noprofile --net=none --private /bin/true"},
	{"systemd-run",
		"systemd-run --quiet --wait --collect -p PrivateNetwork=yes -p PrivateTmp=yes /bin/true"},
};

/* They leave out what does not run here: docker needs its daemon and that image. */
static void add_runtimes(const char *bundle)
{
	static const char *const names[] = {"runc", "crun"};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(text, sizeof(text), "%s run --bundle %s cofferdam-bench", names[i], bundle);
		add_command(names[i], strdup(text), false);
	}
	add_command(
		"docker", "docker run --rm --pull never --network none debian:stable-slim /bin/true", false);
}

static void add_peers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_peers); i++)
		add_command(known_peers[i].name, known_peers[i].command, false);
	for (size_t i = 0; i < options->peers.nitems; i++) {
		const char *item = options->peers.items[i], *equals = strchr(item, '=');
		if (equals == NULL)
			errx(1, "--peer is NAME=COMMAND: %s", item);
		add_command(strndup(item, (size_t)(equals - item)), equals + 1, true);
	}
}

/* --- measuring -------------------------------------------------------------------------------------------------- */

static void measure(struct way *way)
{
	uint64_t begin = series_now_nsec();

	if (way->run(way) != 0)
		errx(1, "%s failed", way->series.name);
	series_add(&way->series, series_now_nsec() - begin);
	cell_settle(pooled);
}

static json_t *figures(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nways; i++)
		(void)json_array_append_new(list, series_json(&ways[i].series));
	return list;
}

static void print(void)
{
	struct series all[WAYS_MAX];

	for (size_t i = 0; i < nways; i++)
		all[i] = ways[i].series;
	series_print(all, nways);
}

/* A round that nobody counts warms caches up. The way that begins is another one in each round. */
static void take_turns(void)
{
	for (size_t i = 0; i < nways; i++)
		(void)ways[i].run(&ways[i]);
	for (uint64_t round = 0; round < options->cell.rounds; round++)
		for (size_t i = 0; i < nways; i++)
			measure(&ways[(round + i) % nways]);
}

/* `cofferdam run`, which is a new engine each time. */
static void add_cli(const char *own)
{
	char *path = cell_cli(own), *text = NULL;

	if (asprintf(&text, "%s run -- /bin/true", path) < 0)
		err(1, "text");
	free(path);
	add_command("cli", text, true);
}

int main(int argc, char *argv[])
{
	static struct options parsed;

	cell_parse(&usage, &parsed, argc, argv);
	options = &parsed;
	(void)setenv("POLICIES_DIR", parsed.cell.policies_dir, 1); /* for the command */
	(void)setenv("IMAGES_DIR", parsed.cell.images_dir, 1);
	add("fork_exec", "the floor: fork, exec, wait; no sandbox", fork_exec, NULL);
	add("clone_all", "seven new namespaces and nothing in them", clone_all, NULL);
	add("cell", "a run of an open engine, cgroup and all, in a cell from its pool", cell, NULL);
	add("cell_no_pool", "the same, the cell made when the run comes", cell_fresh, NULL);
	add("cell_cold", "open an engine, run, close it", cell_cold, NULL);
	add_cli(argv[0]);
	char root[4096];
	(void)snprintf(root, sizeof(root), "%s/base", parsed.cell.images_dir);
	char *bundle = bundle_make(root, true_path);
	add_peers();
	add_runtimes(bundle);
	pooled = cell_open(&options->cell, 4);
	unpooled = cell_open(&options->cell, 0);
	take_turns();
	bundle_remove(bundle);
	pooled = sandbox_close(pooled);
	unpooled = sandbox_close(unpooled);
	print();
	json_t *report = series_report("launch");
	(void)json_object_set_new(report, "rounds", json_integer((json_int_t)parsed.cell.rounds));
	(void)json_object_set_new(report, "series", figures());
	series_write(report, parsed.cell.json);
	return 0;
}
