/* program.c: the job's program, executed where it lies.
 *
 * A service keeps what it has compiled. To copy that into every cell costs more than all else between plan and exec; so a file
 * that is the program to run, and that nobody can change, is not copied: the target executes the client's memory file.
 *
 * What makes it as good as a copy of the job's own: its content is sealed, and its mode is 0555 and no other. So no id of a cell
 * may write to it, nor set its times or attributes; and there are no set-id bits, which would do nothing either: the
 * mount of a memory file is in no mount namespace, and there the kernel heeds neither these nor file capabilities (Linux 4.8,
 * mnt_may_suid), nor does it after no_new_privs. What is left is one inode for all who execute it: its time of access moves
 * while it runs. That no two runs share it is up to the client (sandbox.h).
 *
 * Neither Landlock nor a noexec mount has a say about memory files. Hence the step must be one that may execute files. */
#include "sandbox/cell/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* "./NAME" or "/box/NAME", as an input file without directories has it: its number. -1: none. */
static int find_file(const struct cell_plan *plan)
{
	static const char *const ways[] = {"./", "/box/"};
	const char *program = plan->argv[0];

	for (uint32_t i = 0; i < plan->head->nfiles; i++)
		for (size_t way = 0; way < 2; way++) {
			size_t length = strlen(ways[way]);
			if (strncmp(program, ways[way], length) == 0 &&
				strchr(program + length, '/') == NULL &&
				strcmp(program + length, plan->file_names[i]) == 0)
				return (int)i;
		}
	return -1;
}

/* The seals first: files of other kinds, which might be on a server that is slow to answer, have none. Huge pages have, and are
 * on nobody's account. */
static bool is_unchangeable(int fd)
{
	const int wanted = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	struct statfs fs;
	struct stat st;

	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & wanted) == wanted && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == TMPFS_MAGIC && fstat(fd, &st) == 0 && st.st_mode == (S_IFREG | 0555);
}

/* Would the kernel execute it from here? Not while somebody could write to it (ETXTBSY), not where memory files are mounted
 * noexec; and a script's interpreter could not open what is closed by then. */
static bool is_executable(int fd, const char *path)
{
	char magic[4];

	return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY && access(path, X_OK) == 0 &&
	       pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && memcmp(magic, "\177ELF", 4) == 0;
}

int cell_program(
	const struct wire_order *order, pid_t target, struct cell_plan *plan, struct sandbox_error *err)
{
	int i = find_file(plan);
	char path[sizeof(plan->program)], link[32];

	plan->program[0] = '\0';
	if (i < 0 || !((plan->head->files_executable >> i) & 1) || !order->can_execute_files ||
		!order->has_proc)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", plan->file_fds[i]);
	if (!is_unchangeable(plan->file_fds[i]) || !is_executable(plan->file_fds[i], path))
		return 0;
	(void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)target);
	if (symlink(link, plan->file_names[i]) < 0)
		return error_errno(err, "cell.files", "link %s", plan->file_names[i]);
	memcpy(plan->program, path, sizeof(path));
	plan->file_fds[i] = -1; /* exec closes it, and init's is left to init's end */
	return 0;
}
