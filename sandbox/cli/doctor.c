/* doctor.c: `cofferdam doctor`: what this host offers and lacks, with the remedy. */
#include "sandbox/cli/cli.h"
#include "sandbox/host/host.h"

struct doctor_options {
	const char *images_dir, *state_dir, *cgroup_parent;
	bool is_json;
};

static const struct config_row rows[] = {
	{"IMAGES_DIR", CONFIG_STRING, offsetof(struct doctor_options, images_dir), 1, 4000,
		DEFAULT_IMAGES_DIR, "root images"},
	{"STATE_DIR", CONFIG_STRING, offsetof(struct doctor_options, state_dir), 1, 4000, NULL,
		"state directory of an installation: its file system is looked at too"},
	{"CGROUP_PARENT", CONFIG_STRING, offsetof(struct doctor_options, cgroup_parent), 1, 500, NULL,
		"as for supervise"},
	{"json", CONFIG_FLAG, offsetof(struct doctor_options, is_json), 0, 0, NULL, "print JSON"},
};

static const char usage[] =
	"cofferdam doctor [options]\n"
	"Tries every control that cells are made of. Exit status 1: runs would be refused.\n";

static void print_text(const struct host_control *controls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct host_control *control = &controls[i];
		(void)printf(
			"%-8s %-24s %s\n", host_status_name(control->status), control->name, control->detail);
		if (control->remedy[0] != '\0')
			(void)printf("%-8s %-24s -> %s\n", "", "", control->remedy);
	}
	if (host_worst(controls, n) == HOST_MISSING)
		(void)puts("\nRuns would be refused: see the remedies above.");
}

static int print_json(const struct host_control *controls, size_t n, struct sandbox_error *err)
{
	json_t *list = json_array();
	int r = list ? 0 : -1;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s}", "name", controls[i].name, "status",
				      host_status_name(controls[i].status), "detail", controls[i].detail,
				      "remedy", controls[i].remedy));
	if (r < 0) {
		json_decref(list);
		return error_set(err, ENOMEM, "doctor", "no memory");
	}
	return cli_report_write(STDOUT_FILENO,
		json_pack(
			"{s:s, s:o}", "status", host_status_name(host_worst(controls, n)), "controls", list),
		err);
}

int command_doctor(int argc, char *argv[])
{
	struct host_control controls[HOST_CONTROLS_MAX];
	struct doctor_options options;
	struct sandbox_error err = {0};
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, argc, argv, usage, stdout, &next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0 && next < argc)
		r = error_set(&err, EINVAL, "usage", "unexpected argument: %.64s", argv[next]);
	if (r < 0)
		return cli_complain(&err);
	const struct host_paths paths = {
		.images_dir = options.images_dir,
		.state_dir = options.state_dir,
		.cgroup_parent = options.cgroup_parent,
	};
	size_t n = host_probe(&paths, controls);
	if (!options.is_json)
		print_text(controls, n);
	else if (print_json(controls, n, &err) < 0)
		return cli_complain(&err);
	return host_worst(controls, n) == HOST_MISSING ? 1 : 0;
}
