#include "tests/lib/place.h"

#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static char directory[64], policies[64];

/* Cells are needed: a temporary directory, the policies of the tests, the host as it is now. */
bool place_enter(struct witness *before)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (cell_skip_reason() != NULL)
		return false;
	(void)snprintf(directory, sizeof(directory), "/tmp/cofferdam-cli-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	cell_make_policies(policies, sizeof(policies));
	ck_assert_int_eq(chmod(policies, 0755), 0); /* the service reads them too */
	(void)setenv("POLICIES_DIR", policies, 1);
	(void)setenv("IMAGES_DIR", cell_images_dir(), 1);
	host_look(before);
	return true;
}

/* Nothing is left: no process, no descriptor, no mount. */
void place_leave(const struct witness *before)
{
	struct witness now;

	host_look(&now);
	cell_remove_policies(policies);
	cell_remove_policies(directory);
	ck_assert_msg(witness_equal(&now, before), "%s", host_difference(&now, before));
}

/* "DIR/NAME" in one of several static buffers. */
const char *place_path(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *at = paths[next++ % 8];

	(void)snprintf(at, sizeof(paths[0]), "%s/%s", directory, name);
	return at;
}

const char *place_write(const char *name, const char *text)
{
	const char *at = place_path(name);
	_cleanup_close_ int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", at, strerror(errno));
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	return at;
}

char *place_read(const char *name)
{
	_cleanup_close_ int fd = open(place_path(name), O_RDONLY | O_CLOEXEC);
	char *text;
	size_t size;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_read_all(fd, 1 << 26, &text, &size), 0);
	return text;
}

/* Owned by the caller. */
json_t *place_report(const char *name)
{
	_cleanup_free_ char *text = place_read(name);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_msg(json != NULL, "not JSON: %s", text);
	return json;
}

/* --file for a probe: "DIR/NAME". */
const char *place_probe(const char *name)
{
	static char at[4096];

	(void)snprintf(at, sizeof(at), "--file=%s/%s", cell_probes_dir(), name);
	return at;
}

/* Runs a command with this standard input and nothing else special; the whole is checked to leave nothing. */
void place_expect(const char *const *argv, int status, const char *words)
{
	struct program program = program_run_plan(&(struct program_plan){.argv = argv});

	expect_status(program, status);
	expect_text(program.err, words);
	program_free(&program);
}

bool place_has_image(const char *name)
{
	char at[4200];

	(void)snprintf(at, sizeof(at), "%s/%s", cell_images_dir(), name);
	return access(at, F_OK) == 0;
}
