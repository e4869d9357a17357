/* What a cell is made of, seen from inside (tests/probes/probe.c) and from the host. */
#include "sandbox/base/fd.h"
#include "sandbox/base/layers.h"
#include "sandbox/cgroup/cgroup.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct cell *start_sleeper(struct cell_host *host)
{
	struct cell *cell =
		cell_start(host, &(struct cell_plan){.policy = "attack-run", .command = "work sleep 60000"});

	cell_wait_for(cell, "sleeping\n");
	return cell;
}

static void end_sleeper(struct cell *cell)
{
	sandbox_cancel(cell->run);
	cell_wait(cell);
	cell_expect_cause(cell, SANDBOX_CANCELLED);
	cell_free(cell);
}

static void read_namespace(const char *pid, const char *kind, char *ret, size_t size)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, kind);
	ssize_t n = readlink(path, ret, size - 1);
	ck_assert_msg(n > 0, "%s: %s", path, strerror(errno));
	ret[n] = '\0';
}

START_TEST(every_namespace_is_the_cells_own)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	pid_t pids[CELL_PIDS];

	CELL_OPEN(host, "attack-run");
	struct cell *cell = start_sleeper(host);
	size_t n = cell_pids(host, pids);
	ck_assert_uint_eq(n, 2); /* init and the target */
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			char pid[16], ours[64], theirs[64];
			(void)snprintf(pid, sizeof(pid), "%d", pids[i]);
			read_namespace("self", kinds[k], ours, sizeof(ours));
			read_namespace(pid, kinds[k], theirs, sizeof(theirs));
			ck_assert_str_ne(ours, theirs);
		}
	end_sleeper(cell);
	cell_close(host);
}
END_TEST

START_TEST(two_cells_share_no_outer_id_and_map_one_id)
{
	pid_t first[CELL_PIDS], both[CELL_PIDS];

	CELL_OPEN(host, "attack-run");
	struct cell *a = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, first), 2);
	unsigned long outer = strtoul(cell_proc_line(first[0], "status", "Uid"), NULL, 10);
	ck_assert_uint_ge(outer, 0x70000000);
	struct cell *b = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, both), 4);
	unsigned of_a = 0, of_b = 0;
	unsigned long other = 0;
	for (size_t i = 0; i < 4; i++) {
		char map[64], uids[64], groups[64];
		unsigned long uid = strtoul(cell_proc_line(both[i], "status", "Uid"), NULL, 10);
		(void)snprintf(uids, sizeof(uids), "%lu\t%lu\t%lu\t%lu", uid, uid, uid, uid);
		ck_assert_str_eq(cell_proc_line(both[i], "status", "Uid"), uids);
		ck_assert_str_eq(cell_proc_line(both[i], "status", "Gid"), uids);
		ck_assert_str_eq(cell_proc_line(both[i], "status", "Groups"), "");
		(void)snprintf(map, sizeof(map), "1000 %10lu          1", uid);
		(void)snprintf(groups, sizeof(groups), "%s", cell_proc_line(both[i], "uid_map", ""));
		ck_assert_str_eq(groups, map);
		ck_assert_str_eq(cell_proc_line(both[i], "gid_map", ""), map);
		of_a += uid == outer;
		of_b += uid != outer && (other == 0 || other == uid);
		if (uid != outer)
			other = uid;
	}
	ck_assert_uint_eq(of_a, 2);
	ck_assert_uint_eq(of_b, 2);
	end_sleeper(a);
	end_sleeper(b);
	cell_close(host);
}
END_TEST

START_TEST(the_target_is_an_ordinary_user_and_leads_its_session)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe ids");
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "uid=1000,1000,1000 gid=1000,1000,1000 groups=0\n");
	cell_expect_output(cell, "pid=2 ppid=1 pgid=2 sid=2\n");
	cell_expect_output(cell, "cwd=/box\n");
	cell_expect(
		cell, strncmp(cell_value(cell, "tty="), "EN", 2) == 0); /* ENXIO or ENOENT: there is none */
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(no_capability_is_left_to_target_or_init)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	pid_t pids[CELL_PIDS];

	CELL_OPEN(host, "attack-run");
	struct cell *cell = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, pids), 2);
	for (size_t i = 0; i < 2; i++) {
		for (size_t s = 0; s < ARRAY_SIZE(sets); s++)
			ck_assert_str_eq(cell_proc_line(pids[i], "status", sets[s]), "0000000000000000");
		ck_assert_str_eq(cell_proc_line(pids[i], "status", "NoNewPrivs"), "1");
	}
	end_sleeper(cell);
	cell_close(host);
}
END_TEST

START_TEST(securebits_are_locked_and_no_new_privs_is_set)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe prctls");
	cell_expect_exit(cell, 0);
	/* NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and their locks, the lock of KEEP_CAPS. */
	cell_expect_output(cell, "securebits=0xef\n");
	cell_expect_output(cell, "no_new_privs=0x1\n");
	cell_expect_output(cell, "keepcaps=0\n");
	cell_expect_output(cell, "bounding=0 ambient=0\n");
	cell_free(cell);
	cell = cell_probe(host, "probe cat /proc/self/status");
	cell_expect_output(cell, "\nSeccomp:\t2\n");
	struct sandbox_error err = {0};
	struct layers layers;
	ck_assert_int_eq(layers_probe(&layers, &err), 0);
	/* The launcher's two and the job's; between them the memory seal, where the kernel has none. */
	cell_expect_output(cell, layers.has_mdwe ? "\nSeccomp_filters:\t3\n" : "\nSeccomp_filters:\t4\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Dumpable decides over ptrace, the files of /proc/PID and core dumps; those files belong to root when it is not. */
START_TEST(init_is_not_dumpable)
{
	pid_t pids[CELL_PIDS];
	unsigned hidden = 0;

	CELL_OPEN(host, "attack-run");
	struct cell *cell = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, pids), 2);
	for (size_t i = 0; i < 2; i++) {
		char path[64];
		struct stat st;
		(void)snprintf(path, sizeof(path), "/proc/%d/environ", pids[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		/* NStgid's last number is the one inside. */
		const char *inside = strrchr(cell_proc_line(pids[i], "status", "NStgid"), '\t');
		ck_assert_ptr_nonnull(inside);
		if (strcmp(inside, "\t1") == 0) {
			hidden++;
			ck_assert_uint_eq(st.st_uid, 0);
		}
	}
	ck_assert_uint_eq(hidden, 1);
	end_sleeper(cell);
	cell_close(host);
}
END_TEST

/* Limits of zero in the cell's user namespace, read by a process of ours that has joined it. */
START_TEST(no_namespace_can_be_nested)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
	pid_t pids[CELL_PIDS];
	int status;

	CELL_OPEN(host, "attack-run");
	struct cell *cell = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, pids), 2);
	pid_t child = fork();
	if (child == 0) {
		char path[64], text[32];
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pids[1]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (setns(fd, CLONE_NEWUSER) < 0)
			_exit(100);
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			(void)snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i]);
			if (fd_read_file(AT_FDCWD, path, text, sizeof(text)) != 1 || text[0] != '0')
				_exit((int)i + 1);
		}
		_exit(unshare(CLONE_NEWUSER) < 0 && errno == ENOSPC ? 0 : 101);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(status == 0, "status %#x: a kind of namespaces is not forbidden", (unsigned)status);
	end_sleeper(cell);
	cell_close(host);
}
END_TEST

START_TEST(the_root_is_the_image_and_nothing_of_the_host)
{
	const char *canary = cell_canary();
	char path[4096], command[9000];
	pid_t pids[CELL_PIDS];
	struct stat inside, image;

	CELL_OPEN(host, "attack-run");
	struct cell *cell = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, pids), 2);
	(void)snprintf(path, sizeof(path), "/proc/%d/root/", pids[1]);
	ck_assert_int_eq(stat(path, &inside), 0);
	(void)snprintf(path, sizeof(path), "%s/native", cell_images_dir());
	ck_assert_int_eq(stat(path, &image), 0);
	ck_assert_uint_eq(inside.st_dev, image.st_dev);
	ck_assert_uint_eq(inside.st_ino, image.st_ino);
	end_sleeper(cell);

	(void)snprintf(command, sizeof(command), "probe cat %s /etc/shadow %s", canary, cell_images_dir());
	cell = cell_probe(host, command);
	cell_expect_exit(cell, 0);
	(void)snprintf(path, sizeof(path), "%s=ENOENT\n", canary);
	cell_expect_output(cell, path);
	cell_expect_output(cell, "/etc/shadow=ENOENT\n");
	(void)snprintf(path, sizeof(path), "%s=ENOENT\n", cell_images_dir());
	cell_expect_output(cell, path);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* "ID PARENT MAJ:MIN ROOT POINT OPTIONS …": the points, and that none of them is writable but two. */
START_TEST(five_mounts_and_only_box_and_tmp_are_writable)
{
	static const struct {
		const char *point, *options;
	} mounts[] = {{"/", "ro,nosuid,nodev"}, {"/dev", "ro,nosuid"}, {"/proc", "ro,nosuid,nodev,noexec"},
		{"/box", "rw,nosuid,nodev"}, {"/tmp", "rw,nosuid,nodev"}};
	unsigned lines = 0, known = 0;

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe cat /proc/self/mountinfo");
	cell_expect_exit(cell, 0);
	for (const char *line = cell->out.text; *line != '\0'; line = strchr(line, '\n') + 1) {
		char point[256], options[256];
		ck_assert_int_eq(sscanf(line, "%*d %*d %*s %*s %255s %255s", point, options), 2);
		lines++;
		for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
			known += strcmp(point, mounts[i].point) == 0 &&
				 strncmp(options, mounts[i].options, strlen(mounts[i].options)) == 0;
	}
	cell_expect(cell, lines == ARRAY_SIZE(mounts) && known == lines);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(the_image_is_read_only)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell =
		cell_probe(host, "probe create /x /etc/x /usr/x /usr/lib/x /dev/x /proc/x /box/x /tmp/x");
	cell_expect_exit(cell, 0);
	cell_expect_output(
		cell, "/x=EROFS\n/etc/x=EROFS\n/usr/x=EROFS\n/usr/lib/x=EROFS\n/dev/x=EROFS\n/proc/x=E");
	cell_expect_output(cell, "/box/x=OK\n/tmp/x=OK\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(dev_holds_five_nodes_and_four_links)
{
	static const char *const lines[] = {"null char 0666 1:3 ", "zero char 0666 1:5 ",
		"full char 0666 1:7 ", "random char 0666 1:8 ", "urandom char 0666 1:9 ", "fd link ",
		"stdin link ", "stdout link ", "stderr link ", "shm link "};
	size_t n = 0;

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe ls /dev");
	cell_expect_exit(cell, 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		cell_expect(cell, cell_value(cell, lines[i]) != NULL);
	for (const char *at = cell->out.text; (at = strchr(at, '\n')) != NULL; at++)
		n++;
	cell_expect(cell, n == ARRAY_SIZE(lines));
	cell_expect_output(cell, "fd link 0777 0:0 uid=65534 -> /proc/self/fd\n");
	/* POSIX shared memory lies in the job's own /tmp, inside its limits. */
	cell_expect_output(cell, "-> /tmp\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(proc_shows_only_the_cells_own_processes)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe ls /proc");
	cell_expect_exit(cell, 0);
	for (const char *line = cell->out.text; *line != '\0'; line = strchr(line, '\n') + 1)
		cell_expect(cell, strncmp(line, "2 ", 2) == 0 || strncmp(line, "self ", 5) == 0 ||
					  strncmp(line, "thread-self ", 12) == 0);
	cell_expect(cell, cell_value(cell, "2 dir") != NULL);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(there_is_no_network_but_a_loopback_that_is_down)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell =
		cell_probe(host, "probe cat /proc/self/net/dev /proc/self/net/route /proc/self/net/unix");
	cell_expect_exit(cell, 0);
	unsigned interfaces = 0;
	for (const char *at = cell->out.text; (at = strchr(at, ':')) != NULL; at++)
		interfaces++;
	cell_expect(cell, interfaces == 1 && strstr(cell->out.text, "lo:") != NULL);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Is there a hierarchy of version 1 among those that cells use? */
static bool has_v1(void)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	struct sandbox_error err = {0};
	bool found = false;

	ck_assert_int_eq(cgroup_probe(NULL, where, &err), 0);
	for (size_t i = 0; i < CGROUP_CONTROLLER_N; i++)
		found |= where[i].version == 1;
	return found;
}

START_TEST(the_cgroup_namespace_hides_where_the_cell_is)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe cat /proc/self/cgroup");
	cell_expect_exit(cell, 0);
	for (const char *line = cell->out.text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
		cell_expect(cell, end - line > 2 && strncmp(end - 2, ":/", 2) == 0);
	if (has_v1())
		cell_expect_output(cell, "pids");
	else
		ck_assert_str_eq(cell->out.text, "0::/\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(environment_and_arguments_are_exactly_those_given)
{
	static const char *const argv[] = {
		"/box/probe", "args", "", "two words", "new\nline", "-dash", "\xc3\xa9\xff", "$HOME", NULL};

	CELL_OPEN(host, "attack-run");
	ck_assert_int_eq(setenv("LD_PRELOAD", "/nowhere/evil.so", 1), 0);
	ck_assert_int_eq(setenv("SECRET", "of the host", 1), 0);
	struct cell *cell = cell_probe(host, "probe env");
	ck_assert_int_eq(unsetenv("LD_PRELOAD"), 0);
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text, "PATH=/usr/bin:/bin\nHOME=/tmp\nTMPDIR=/tmp\nLANG=C.UTF-8\n");
	cell_free(cell);
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-run", .probe = "probe", .argv = argv});
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text,
		"argc=6\n0:0:\n1:9:two words\n2:8:new\nline\n3:5:-dash\n4:3:\xc3\xa9\xff\n5:5:$HOME\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(nothing_is_inherited_from_an_untidy_engine)
{
	const char *reason = cell_skip_reason();

	if (reason != NULL)
		TEST_SKIP(reason);
	cell_make_a_mess();
	struct cell_host *host = cell_open("attack-run");
	struct cell *cell = cell_probe(host, "probe signals");
	cell_expect_output(cell, "blocked=0 pending=0 ignored=0 handled=0\ntimer=0.000000\n");
	cell_free(cell);
	cell = cell_probe(host, "probe misc");
	cell_expect_output(cell, "nodename=cell domain=\numask=0022\nnice=0\npolicy=0\n");
	cell_expect_output(cell, "keyctl(describe session)=EPERM");
	cell_free(cell);
	cell = cell_probe(host, "probe fds");
	ck_assert_str_eq(cell->out.text,
		"0 char flags=100000 fdflags=0\n1 fifo flags=1 fdflags=0\n2 fifo flags=1 fdflags=0\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(rlimits_are_those_of_the_run)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "probe rlimits",
						   .limits = {.open_files = 77,
							   .file_bytes = 12345678,
							   .stack_bytes = 4 << 20,
							   .cpu_usec = 3000000}});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "cpu=5:5\nfsize=12345678:12345678\n");
	cell_expect_output(cell, "stack=4194304:4194304\ncore=1:1\n");
	cell_expect_output(cell, "nofile=77:77\nmemlock=65536:65536\n");
	cell_expect_output(cell, "msgqueue=0:0\nnice=0:0\nrtprio=0:0\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(jobs_are_the_first_to_go_when_the_host_is_short_of_memory)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN(host, "attack-run");
	struct cell *cell = start_sleeper(host);
	ck_assert_uint_eq(cell_pids(host, pids), 2);
	for (size_t i = 0; i < 2; i++)
		ck_assert_str_eq(cell_proc_line(pids[i], "oom_score_adj", ""), "900");
	end_sleeper(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("cell", 60, tcase_add_test(tc, every_namespace_is_the_cells_own);
	     tcase_add_test(tc, two_cells_share_no_outer_id_and_map_one_id);
	     tcase_add_test(tc, the_target_is_an_ordinary_user_and_leads_its_session);
	     tcase_add_test(tc, no_capability_is_left_to_target_or_init);
	     tcase_add_test(tc, securebits_are_locked_and_no_new_privs_is_set);
	     tcase_add_test(tc, init_is_not_dumpable); tcase_add_test(tc, no_namespace_can_be_nested);
	     tcase_add_test(tc, the_root_is_the_image_and_nothing_of_the_host);
	     tcase_add_test(tc, five_mounts_and_only_box_and_tmp_are_writable);
	     tcase_add_test(tc, the_image_is_read_only);
	     tcase_add_test(tc, dev_holds_five_nodes_and_four_links);
	     tcase_add_test(tc, proc_shows_only_the_cells_own_processes);
	     tcase_add_test(tc, there_is_no_network_but_a_loopback_that_is_down);
	     tcase_add_test(tc, the_cgroup_namespace_hides_where_the_cell_is);
	     tcase_add_test(tc, environment_and_arguments_are_exactly_those_given);
	     tcase_add_test(tc, nothing_is_inherited_from_an_untidy_engine);
	     tcase_add_test(tc, rlimits_are_those_of_the_run);
	     tcase_add_test(tc, jobs_are_the_first_to_go_when_the_host_is_short_of_memory))
