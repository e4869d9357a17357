#include "tests/lib/objects_contract.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct sandbox_error err;

#define OBJECTS(call) objects->operations->call
#define EXPECT(call, wanted)                                                                                 \
	do {                                                                                                 \
		int got_ = (call);                                                                           \
		ck_assert_msg(got_ == (wanted), "%s is %d, not %d: %s", #call, got_, wanted, err.message);   \
	} while (0)

void contract_name(char name[CONTRACT_NAME_SIZE])
{
	char id[JOB_ID_SIZE];

	job_new_id(id);
	(void)snprintf(name, CONTRACT_NAME_SIZE, "outputs/%s.txt", id);
}

void contract_put(struct objects *objects, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = fd_memfd("test", data, size);

	ck_assert_int_ge(fd, 0);
	EXPECT(OBJECTS(put)(objects, name, fd, size, &err), 0);
}

void contract_expect_object(struct objects *objects, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *found = NULL;
	uint64_t told = 0;
	size_t found_size = 0;

	EXPECT(OBJECTS(open)(objects, name, &fd, &told, &err), 0);
	ck_assert_uint_eq(told, size);
	ck_assert_int_eq(fd_read_all(fd, size, &found, &found_size), 0);
	ck_assert_uint_eq(found_size, size);
	ck_assert(memcmp(found, data, size) == 0);
}

void objects_contract_keeps_every_byte(struct objects *objects)
{
	unsigned char data[3 * 256];
	char name[CONTRACT_NAME_SIZE];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	contract_name(name);
	contract_put(objects, name, data, sizeof(data));
	contract_expect_object(objects, name, data, sizeof(data));
}

void objects_contract_keeps_nothing_as_an_empty_object(struct objects *objects)
{
	char name[CONTRACT_NAME_SIZE];

	contract_name(name);
	contract_put(objects, name, "", 0);
	contract_expect_object(objects, name, "", 0);
}

enum { LARGE = 10 * 1024 * 1024 + 1 };

void objects_contract_keeps_a_large_object(struct objects *objects)
{
	_cleanup_free_ unsigned char *data = malloc(LARGE);
	char name[CONTRACT_NAME_SIZE];

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < LARGE; i++)
		data[i] = (unsigned char)(i ^ i >> 8 ^ i >> 16);
	contract_name(name);
	contract_put(objects, name, data, LARGE);
	contract_expect_object(objects, name, data, LARGE);
}

void objects_contract_keeps_sources_beside_outputs(struct objects *objects)
{
	char output[CONTRACT_NAME_SIZE], source[CONTRACT_NAME_SIZE + 1];

	contract_name(output);
	(void)snprintf(source, sizeof(source), "sources/%.*s.json", JOB_ID_SIZE - 1, strchr(output, '/') + 1);
	contract_put(objects, output, "output", 6);
	contract_put(objects, source, "{}", 2);
	contract_expect_object(objects, output, "output", 6);
	contract_expect_object(objects, source, "{}", 2);
}

void objects_contract_replaces_an_object(struct objects *objects)
{
	char name[CONTRACT_NAME_SIZE], other[CONTRACT_NAME_SIZE];

	contract_name(name);
	contract_name(other);
	contract_put(objects, name, "a longer first one", 18);
	contract_put(objects, other, "other", 5);
	contract_put(objects, name, "second", 6);
	contract_expect_object(objects, name, "second", 6);
	contract_expect_object(objects, other, "other", 5);
}

void objects_contract_reads_from_the_beginning_and_moves_nothing(struct objects *objects)
{
	_cleanup_close_ int fd = fd_memfd("test", "0123456789", 10);
	char name[CONTRACT_NAME_SIZE];

	contract_name(name);
	ck_assert_int_eq(lseek(fd, 7, SEEK_SET), 7);
	EXPECT(OBJECTS(put)(objects, name, fd, 10, &err), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 7);
	contract_expect_object(objects, name, "0123456789", 10);
}

void objects_contract_takes_only_as_much_as_it_is_told(struct objects *objects)
{
	_cleanup_close_ int fd = fd_memfd("test", "0123456789", 10);
	char name[CONTRACT_NAME_SIZE];

	contract_name(name);
	EXPECT(OBJECTS(put)(objects, name, fd, 4, &err), 0);
	contract_expect_object(objects, name, "0123", 4);
}

void objects_contract_keeps_the_old_object_when_the_new_one_is_cut_short(struct objects *objects)
{
	_cleanup_close_ int fd = fd_memfd("test", "0123456789", 10);
	char name[CONTRACT_NAME_SIZE], fresh[CONTRACT_NAME_SIZE];
	uint64_t size;
	int none = -1;

	contract_name(name);
	contract_name(fresh);
	contract_put(objects, name, "old", 3);
	ck_assert_int_lt(OBJECTS(put)(objects, name, fd, 11, &err), 0);
	ck_assert_int_gt(err.errno_value, 0);
	contract_expect_object(objects, name, "old", 3);
	ck_assert_int_lt(OBJECTS(put)(objects, fresh, fd, 11, &err), 0);
	EXPECT(OBJECTS(open)(objects, fresh, &none, &size, &err), OBJECTS_MISSING);
}

void objects_contract_says_which_object_is_missing(struct objects *objects)
{
	char name[CONTRACT_NAME_SIZE];
	uint64_t size = 77;
	int fd = -1;

	contract_name(name);
	contract_put(objects, name, "x", 1);
	contract_name(name);
	EXPECT(OBJECTS(open)(objects, name, &fd, &size, &err), OBJECTS_MISSING);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(size, 77);
}

void objects_contract_takes_no_other_names(struct objects *objects)
{
	static const char *const names[] = {
		"",
		".",
		"..",
		"outputs",
		"outputs/",
		"outputs/.txt",
		"outputs/../url.key",
		"/etc/passwd",
		"outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef910",
		"outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef910.txt/",
		"outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef910.txt\n",
		"outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef91.txt",
		"outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef9100.txt",
		"outputs/6C229B78-4E24-4CF4-B0B0-63D5D87EF910.txt",
		"outputs/6c229b78-4e24-1cf4-b0b0-63d5d87ef910.txt",
		"outputs/../../../../../../../../../etc/passwd.txt",
		"outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef910.TXT",
		"sources/6c229b78-4e24-4cf4-b0b0-63d5d87ef910.txt",
		"inputs//6c229b78-4e24-4cf4-b0b0-63d5d87ef910.txt",
		"/outputs/6c229b78-4e24-4cf4-b0b0-63d5d87ef910.tx",
	};
	_cleanup_close_ int fd = fd_memfd("test", "x", 1);
	char *url = NULL;
	uint64_t size;
	int none = -1;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT(OBJECTS(put)(objects, names[i], fd, 1, &err), -EINVAL);
		EXPECT(OBJECTS(open)(objects, names[i], &none, &size, &err), -EINVAL);
		EXPECT(OBJECTS(url)(objects, names[i], "http://x", &(unsigned){60}, &url, &err), -EINVAL);
		ck_assert_ptr_null(url);
	}
	ck_assert_int_eq(none, -1);
}

enum { THREADS = 4, ROUNDS = 25, WHOLE = 300000 };

struct writer {
	struct objects *objects;
	const char *name;
	pthread_t thread;
	char fill;
	atomic_uint *failures; /* libcheck's assertions belong to the main thread */
};

static void *put_again_and_again(void *user)
{
	struct writer *writer = user;
	struct objects *objects = writer->objects;
	char *data = malloc(WHOLE);
	int fd = -1;

	if (data != NULL) {
		memset(data, writer->fill, WHOLE);
		fd = fd_memfd("test", data, WHOLE);
	}
	for (size_t i = 0; i < ROUNDS; i++)
		if (OBJECTS(put)(objects, writer->name, fd, WHOLE, NULL) != 0)
			atomic_fetch_add(writer->failures, 1);
	(void)fd_close(fd);
	free(data);
	return NULL;
}

/* What is read is one writer's object, from its first byte to its last. */
static void expect_whole(struct objects *objects, const char *name)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *found = NULL;
	uint64_t size = 0;
	size_t found_size = 0;

	EXPECT(OBJECTS(open)(objects, name, &fd, &size, &err), 0);
	ck_assert_uint_eq(size, WHOLE);
	ck_assert_int_eq(fd_read_all(fd, WHOLE, &found, &found_size), 0);
	ck_assert_uint_eq(found_size, WHOLE);
	ck_assert(memcmp(found, found + 1, WHOLE - 1) == 0);
}

void objects_contract_shows_whole_objects_only(struct objects *objects)
{
	static atomic_uint failures;
	struct writer writers[THREADS];
	char name[CONTRACT_NAME_SIZE], *first = malloc(WHOLE);

	ck_assert_ptr_nonnull(first);
	contract_name(name);
	memset(first, '-', WHOLE);
	contract_put(objects, name, first, WHOLE);
	for (size_t i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){objects, name, 0, (char)('a' + i), &failures};
		ck_assert_int_eq(
			pthread_create(&writers[i].thread, NULL, put_again_and_again, &writers[i]), 0);
	}
	for (size_t i = 0; i < ROUNDS; i++)
		expect_whole(objects, name);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
	ck_assert_uint_eq(atomic_load(&failures), 0);
	expect_whole(objects, name);
	free(first);
}

void objects_contract_removes_an_object(struct objects *objects)
{
	char small[CONTRACT_NAME_SIZE], large[CONTRACT_NAME_SIZE], kept[CONTRACT_NAME_SIZE];
	char *bytes = calloc(1, WHOLE);
	uint64_t size;
	int fd = -1;

	ck_assert_ptr_nonnull(bytes);
	contract_name(small);
	contract_name(large);
	contract_name(kept);
	contract_put(objects, small, "x", 1);
	contract_put(objects, kept, "k", 1);
	contract_put(objects, large, bytes, WHOLE);
	EXPECT(OBJECTS(remove)(objects, small, &err), 0);
	EXPECT(OBJECTS(remove)(objects, large, &err), 0);
	EXPECT(OBJECTS(open)(objects, small, &fd, &size, &err), OBJECTS_MISSING);
	EXPECT(OBJECTS(open)(objects, large, &fd, &size, &err), OBJECTS_MISSING);
	EXPECT(OBJECTS(remove)(objects, small, &err), 0);
	EXPECT(OBJECTS(remove)(objects, "outputs/../x", &err), -EINVAL);
	contract_expect_object(objects, kept, "k", 1);
	free(bytes);
}

void objects_contract_makes_links(struct objects *objects)
{
	char name[CONTRACT_NAME_SIZE], *url = NULL;
	unsigned ttl_sec = 60;

	contract_name(name);
	contract_put(objects, name, "x", 1);
	EXPECT(OBJECTS(url)(objects, name, "http://127.0.0.1:1", &ttl_sec, &url, &err), 0);
	ck_assert_uint_le(ttl_sec, 60);
	ck_assert_ptr_nonnull(strstr(url, "://"));
	ck_assert_ptr_nonnull(strstr(url, name));
	free(url);
}

void objects_contract_answers_a_ping(struct objects *objects)
{
	EXPECT(OBJECTS(ping)(objects, &err), 0);
}
