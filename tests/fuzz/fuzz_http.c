/* fuzz_http.c: bytes on the wire, up to the stores and back. A libmicrohttpd of the same limits as http.c's, driven from
 * here over a socket pair, calls the real API on real (small) stores.
 *
 * The input is a byte, how much is sent at a time (0: all at once), and what a client sends until it closes its side.
 * Every connection ends, nothing makes the service fail with 500, and what says that it is JSON is. */
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/api.h"
#include "service/http_exchange.h"
#include "service/languages.h"
#include "service/metrics.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ROUNDS_MAX = 100000, ANSWER_MAX = 1 << 20, SUBMISSIONS_MAX = 2000, KEY_BYTES = 32 };

/* Known to the corpus, with links that are signed with a key of 'k' alone. */
#define FINISHED "00000000-0000-4000-8000-000000000001"
#define QUEUED "00000000-0000-4000-8000-000000000002"

static char dir[256];
static struct service service;
static struct api api;
static struct http_exchanges exchanges;
static struct MHD_Daemon *server;
static char answer[ANSWER_MAX + 1];
static unsigned nsubmitted;

/* --- the service ---------------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	(void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_dir(void)
{
	const char *parent = getenv("TMPDIR");
	char path[300], key[KEY_BYTES];

	(void)snprintf(dir, sizeof(dir), "%.200s/cofferdam-fuzz-XXXXXX", parent ? parent : "/tmp");
	FUZZ_REQUIRE(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/url.key", dir);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	memset(key, 'k', sizeof(key));
	FUZZ_REQUIRE(fd_write_all(fd, key, sizeof(key)) == 0);
}

static void add_jobs(void)
{
	static char user[] = "ann", language[] = "cpp", code[] = "int main() {}", input[] = "";
	static char path[] = "outputs/" FINISHED ".txt", preview[] = "hello";
	struct job job = {.id = QUEUED, .user_id = user, .language = language, .code = code, .input = input};
	struct job claimed = {0};

	FUZZ_REQUIRE(service.store->operations->create(service.store, &job, NULL) == 0);
	(void)snprintf(job.id, sizeof(job.id), "%s", FINISHED);
	FUZZ_REQUIRE(service.store->operations->create(service.store, &job, NULL) == 0);
	FUZZ_REQUIRE(service.store->operations->claim(service.store, FINISHED, &claimed, NULL) == 0);
	job.attempt = claimed.attempt;
	job.status = JOB_COMPLETED;
	job.verdict = REPORT_ACCEPTED;
	job.output_path = path;
	job.stdout_preview = preview;
	job.has_run = true;
	FUZZ_REQUIRE(service.store->operations->finish(service.store, &job, NULL) == 0);
	job_free(&claimed);
	_cleanup_close_ int fd = fd_memfd("output", preview, strlen(preview));
	FUZZ_REQUIRE(service.objects->operations->put(service.objects, path, fd, strlen(preview), NULL) == 0);
}

static void open_stores(void)
{
	make_dir();
	FUZZ_REQUIRE(store_sqlite_open(dir, &service.store, NULL) == 0);
	FUZZ_REQUIRE(queue_sqlite_open(dir, &service.queue, NULL) == 0);
	FUZZ_REQUIRE(objects_files_open(dir, &service.objects, NULL) == 0);
	add_jobs();
	nsubmitted = 0;
}

static void close_stores(void)
{
	service.objects = service.objects->operations->close(service.objects);
	service.queue = service.queue->operations->close(service.queue);
	service.store = service.store->operations->close(service.store);
	remove_dir();
}

static void start(void)
{
	service.config = (struct service_config){.role = "all",
		.socket = "/nowhere",
		.code_max_bytes = 200,
		.input_max_bytes = 100,
		.url_ttl_sec = 1800};
	FUZZ_REQUIRE(log_set_level_name("error", NULL) == 0);
	FUZZ_REQUIRE(languages_open(DEFAULT_POLICIES_DIR, &service.languages, NULL) == 0);
	FUZZ_REQUIRE(metrics_open(service.languages, &service.metrics, NULL) == 0);
	open_stores();
	(void)atexit(remove_dir);
	api_init(&api, &service);
	exchanges = (struct http_exchanges){
		.handler = api_http_handler(&api), .body_max = api_body_max(&service.config)};
	server = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		http_exchange_handle, &exchanges, MHD_OPTION_CONNECTION_LIMIT, 4U,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADER_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
		http_exchange_completed, NULL, MHD_OPTION_END);
	FUZZ_REQUIRE(server != NULL);
}

/* --- one connection -------------------------------------------------------------------------------------------- */

/* Takes what has come; true at the end of the connection. */
static bool drain(int fd, size_t *used)
{
	for (;;) {
		char rest[4096];
		bool is_full = *used == ANSWER_MAX;
		ssize_t n = recv(
			fd, is_full ? rest : answer + *used, is_full ? sizeof(rest) : ANSWER_MAX - *used, 0);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			return true;
		*used += is_full ? 0 : (size_t)n;
	}
}

/* The length of what came back. */
static size_t converse(const uint8_t *data, size_t size, size_t chunk)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t sent = 0, used = 0;
	int pair[2];

	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	_cleanup_close_ int fd = pair[0];
	FUZZ_REQUIRE(
		MHD_add_connection(server, pair[1], (struct sockaddr *)&address, sizeof(address)) == MHD_YES);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		size_t part = size - sent < chunk ? size - sent : chunk;
		ssize_t n = part > 0 ? send(fd, data + sent, part, MSG_NOSIGNAL) : 0;
		if (n > 0)
			sent += (size_t)n;
		if (sent == size || (n < 0 && errno == EPIPE))
			(void)shutdown(fd, SHUT_WR);
		FUZZ_REQUIRE(MHD_run(server) == MHD_YES);
		if (drain(fd, &used)) {
			(void)MHD_run(server); /* it cleans up */
			return used;
		}
	}
	FUZZ_REQUIRE(!"the connection never ends");
	return 0;
}

/* --- what came back -------------------------------------------------------------------------------------------- */

/* The value of header NAME within the head of the answer; NULL: none. */
static const char *header(const char *head, const char *name)
{
	const char *at = strstr(head, name);

	return at != NULL ? at + strlen(name) : NULL;
}

static void check_json(const char *head, const char *body, bool is_head)
{
	const char *length = header(head, "Content-Length: ");

	FUZZ_REQUIRE(header(head, "X-Content-Type-Options: nosniff") != NULL && length != NULL);
	size_t size = strtoull(length, NULL, 10);
	if (is_head || strlen(body) < size)
		return; /* it has none, or the client has closed too early */
	json_t *json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_REQUIRE(json_is_object(json));
	json_decref(json);
}

/* The first answer; the others of a pipeline are like it. */
static void check_answer(char *text, size_t size, bool is_head)
{
	static const char begin[] = "HTTP/1.1 ";

	text[size] = '\0';
	if (size == 0)
		return;
	FUZZ_REQUIRE(strncmp(text, begin, sizeof(begin) - 1) == 0 || strncmp(text, "HTTP/1.0 ", 9) == 0);
	unsigned long status = strtoul(text + sizeof(begin) - 1, NULL, 10);
	FUZZ_REQUIRE(status >= 100 && status < 600 && status != 500);
	nsubmitted += status == 202;
	char *end = strstr(text, "\r\n\r\n");
	if (end == NULL || status == 100)
		return;
	*end = '\0';
	const char *type = header(text, "Content-Type: ");
	if (type != NULL && strncmp(type, "application/json", strlen("application/json")) == 0)
		check_json(text, end + 4, is_head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (server == NULL)
		start();
	size_t used = converse(data + 1, size - 1, data[0] != 0 ? data[0] : SIZE_MAX);
	check_answer(answer, used, size > 5 && memcmp(data + 1, "HEAD", 4) == 0);
	FUZZ_REQUIRE(exchanges.budget == 0);
	if (nsubmitted == SUBMISSIONS_MAX) {
		close_stores();
		open_stores();
	}
	return 0;
}
