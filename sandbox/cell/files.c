/* files.c: files into the cell and out of it. Runs in init, which has the job's own rights and nothing more: a trap
 * laid by a job (a link, a FIFO, a device) can only lead to what the job could reach itself, and each is refused
 * nevertheless (Judge0 CVE-2024-28185, go-judge #176 came from doing this on the host's side). */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { COPY_CHUNK = 64 * 1024 };

/* Which side of a copy failed: result files must tell a bad file from a bad receiver. */
enum copy_failure { COPY_READ_FAILED = 1, COPY_WRITE_FAILED = 2 };

static int write_at(int fd, const char *data, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* Copies from offset 0 to the end or to MAX, whichever comes first; both offsets stay. Holes become zeros and count
 * in full. Returns 0 or enum copy_failure with errno set; *RET is the number of bytes copied. */
static int copy(int from, int to, uint64_t max, uint64_t *ret)
{
	static char chunk[COPY_CHUNK]; /* init has one thread; its stack stays small */
	uint64_t done = 0;

	while (done < max) {
		size_t wanted = max - done < sizeof(chunk) ? (size_t)(max - done) : sizeof(chunk);
		ssize_t n = pread(from, chunk, wanted, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return COPY_READ_FAILED;
		if (n == 0)
			break;
		int r = write_at(to, chunk, (size_t)n, done);
		if (r < 0) {
			errno = -r;
			return COPY_WRITE_FAILED;
		}
		done += (uint64_t)n;
	}
	*ret = done;
	return 0;
}

/* Makes the directories of NAME, which policy_file_name_ok has passed. */
static int make_parents(const char *name)
{
	char path[BOUND_FILE_NAME + 1];

	for (size_t i = 0; i < sizeof(path) - 1 && name[i] != '\0'; i++) {
		if (name[i] == '/') {
			path[i] = '\0';
			if (mkdir(path, 0755) < 0 && errno != EEXIST)
				return -errno;
		}
		path[i] = name[i];
	}
	return 0;
}

static int file_in(const char *name, int from, bool is_executable, struct sandbox_error *err)
{
	uint64_t copied;
	int r = make_parents(name);
	if (r < 0)
		return error_set(err, -r, "cell.files", "directories of %s: %s", name, strerrordesc_np(-r));
	_cleanup_close_ int to =
		sys_open_beneath(AT_FDCWD, name, O_WRONLY | O_CREAT | O_EXCL, is_executable ? 0755 : 0644);
	if (to < 0)
		return error_errno(err, "cell.files", "create %s", name);
	if (copy(from, to, BOUND_INPUT_BYTES, &copied) != 0)
		return error_errno(err, "cell.files", "copy into %s", name);
	return 0;
}

/* The job gets a file of its own, nameless and open for reading: no way back to the client's descriptor. */
static int stdin_in(int *fd, struct sandbox_error *err)
{
	static const char path[] = "/tmp/.stdin"; /* nothing else has run in this cell: the name is free */
	uint64_t copied;

	_cleanup_close_ int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (to < 0)
		return error_errno(err, "cell.files", "standard input: create");
	if (copy(*fd, to, BOUND_INPUT_BYTES, &copied) != 0)
		return error_errno(err, "cell.files", "standard input: copy");
	*fd = fd_close(*fd);
	*fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0 || unlink(path) < 0)
		return error_errno(err, "cell.files", "standard input: reopen");
	return 0;
}

int cell_files_in(struct cell_plan *plan, struct sandbox_error *err)
{
	const struct wire_plan *head = plan->head;

	for (uint32_t i = 0; i < head->nfiles; i++) {
		bool is_executable = (head->files_executable >> i) & 1;
		if (plan->file_fds[i] < 0)
			continue;
		int r = file_in(plan->file_names[i], plan->file_fds[i], is_executable, err);
		if (r < 0)
			return r;
		plan->file_fds[i] = fd_close(plan->file_fds[i]);
	}
	return head->has_stdin && head->stdin_is_file ? stdin_in(&plan->stdio[0], err) : 0;
}

/* What a job can make of a name. Anything else is the host's, and no word about the job. */
static bool is_jobs_doing(int reason)
{
	return reason == ENOENT || reason == ENOTDIR || reason == ELOOP || reason == EXDEV ||
	       reason == EACCES || reason == ENXIO;
}

/* The job is dead by now: nothing changes between the check and the copy. O_NONBLOCK: a FIFO must not hold us. */
static int collect_one(
	const char *name, int to, uint64_t max, struct sandbox_collected *ret, struct sandbox_error *err)
{
	struct stat st;
	_cleanup_close_ int from = sys_open_beneath(AT_FDCWD, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);

	if (from < 0 && is_jobs_doing(errno)) {
		ret->status = errno == ENOENT ? SANDBOX_COLLECT_MISSING : SANDBOX_COLLECT_REFUSED;
		return 0;
	}
	if (from < 0 || fstat(from, &st) < 0)
		return error_errno(err, "cell.collect", "%s", name);
	if (!S_ISREG(st.st_mode)) {
		ret->status = SANDBOX_COLLECT_REFUSED;
	} else if ((uint64_t)st.st_size > max) {
		ret->status = SANDBOX_COLLECT_TOO_LARGE;
	} else {
		int failed = copy(from, to, (uint64_t)st.st_size, &ret->bytes);
		if (failed == COPY_READ_FAILED)
			return error_errno(err, "cell.collect", "read %s", name);
		ret->status = failed == 0 ? SANDBOX_COLLECTED : SANDBOX_COLLECT_WRITE_ERROR;
	}
	return 0;
}

int cell_collect(
	const struct cell_plan *plan, struct sandbox_collected ret[BOUND_COLLECT], struct sandbox_error *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < plan->head->ncollects; i++)
		r = collect_one(plan->collect_names[i], plan->collect_fds[i], plan->head->collect_max[i],
			&ret[i], err);
	return r;
}
