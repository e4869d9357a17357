/* secrets: looks everywhere a job can look for words that it has not, not even while it looks: they come backwards and are
 * compared so. */
#include "tests/probes/evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

enum { CHUNK = 1 << 16, WORDS_MAX = 256 };

static const char *backwards;
static size_t size;

static bool stands_at(const char *text)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] != backwards[size - 1 - i])
			return false;
	return true;
}

static bool holds_words(const char *text, size_t length)
{
	for (size_t i = 0; i + size <= length; i++)
		if (text[i] == backwards[size - 1] && stands_at(text + i))
			return true;
	return false;
}

/* From OFFSET to END or the file's end. The chunks overlap. */
static bool file_holds(int fd, off_t offset, off_t end)
{
	static char chunk[CHUNK];
	size_t have = 0;

	while (offset < end) {
		size_t room = sizeof(chunk) - have;
		size_t wanted = end - offset < (off_t)room ? (size_t)(end - offset) : room;
		ssize_t n = pread(fd, chunk + have, wanted, offset);
		if (n <= 0)
			break;
		have += (size_t)n;
		offset += n;
		if (holds_words(chunk, have)) {
			memset(chunk, 0, sizeof(chunk)); /* or it would be found again, here */
			return true;
		}
		size_t keep = have < size ? have : size - 1;
		memmove(chunk, chunk + have - keep, keep);
		have = keep;
	}
	memset(chunk, 0, sizeof(chunk));
	return false;
}

static bool path_holds(const char *path)
{
	struct stat st;
	bool is_found = false;
	/* O_NONBLOCK: nothing is to hold us up. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		is_found = file_holds(fd, 0, (off_t)1 << 40);
	if (fd >= 0)
		(void)close(fd);
	return is_found;
}

/* --- one place after the other --- */

static unsigned looked, found;

static void tell(const char *what)
{
	say("%s: looked=%u found=%u", what, looked, found);
	looked = found = 0;
}

static void note(const char *where, bool is_found)
{
	looked++;
	found += is_found;
	if (is_found)
		say("found in %s", where);
}

/* Arguments, environment and auxiliary vector lie on the stack, so they are areas, too. */
static void look_into_memory(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	while (maps != NULL && memory >= 0 && fgets(line, sizeof(line), maps) != NULL) {
		unsigned long first, end;
		if (sscanf(line, "%lx-%lx", &first, &end) == 2)
			note(line, first < (unsigned long)INT64_MAX &&
					   file_holds(memory, (off_t)first, (off_t)end));
	}
	if (maps != NULL)
		(void)fclose(maps);
	(void)close(memory);
	tell("memory");
}

static void look_into_process(const char *name)
{
	static const char *const files[] = {"environ", "cmdline", "auxv", "maps", "mountinfo", "cgroup",
		"status", "stat", "comm", "limits", "attr/current", "task", "cwd", "root", "exe"};
	char path[512], target[512];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%s/%s", name, files[i]);
		ssize_t n = readlink(path, target, sizeof(target));
		note(path, n > 0 ? holds_words(target, (size_t)n) : path_holds(path));
	}
}

static void look_into_processes(void)
{
	DIR *dir = opendir("/proc");

	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		look_into_process(entry->d_name);
	if (dir != NULL)
		(void)closedir(dir);
	tell("proc");
}

static int look_into_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)at;
	if (strncmp(path, "/proc", 5) != 0)
		note(path, holds_words(path, strlen(path)) || (type == FTW_F && path_holds(path)));
	return 0;
}

static void look_into_descriptors(void)
{
	char path[64], target[512];

	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target));
		note(path, n > 0 && holds_words(target, (size_t)n));
	}
	tell("descriptors");
}

/* hunt SDROW */
static void secrets_hunt(int argc, char **argv)
{
	backwards = argc > 0 ? argv[0] : "";
	size = strlen(backwards);
	if (size < 8 || size > WORDS_MAX) {
		breaches++;
		return;
	}
	look_into_descriptors();
	look_into_memory();
	look_into_processes();
	(void)nftw("/", look_into_file, 16, FTW_PHYS);
	tell("files");
}

static const struct probe_case cases[] = {
	{"hunt", secrets_hunt},
};

PROBE_PROGRAM(cases)
