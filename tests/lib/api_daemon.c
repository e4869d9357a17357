#include "tests/lib/api_daemon.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/languages.h"
#include "service/metrics.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ROUNDS_MAX = 100000, KEY_BYTES = 32, CONNECTIONS = 4 };

/* --- the stores ------------------------------------------------------------------------------------------------ */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_dir(struct api_daemon *daemon)
{
	const char *parent = getenv("TMPDIR");
	char path[300], key[KEY_BYTES];

	(void)snprintf(
		daemon->dir, sizeof(daemon->dir), "%.200s/cofferdam-api-XXXXXX", parent ? parent : "/tmp");
	if (mkdtemp(daemon->dir) == NULL)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/url.key", daemon->dir);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	memset(key, 'k', sizeof(key));
	return fd < 0 ? -errno : fd_write_all(fd, key, sizeof(key));
}

static int add_output(struct objects *objects, const char *name, const char *text)
{
	_cleanup_close_ int fd = fd_memfd("output", text, strlen(text));

	return fd < 0 ? fd : objects->operations->put(objects, name, fd, strlen(text), NULL);
}

static int finish(struct store *store, struct job *job)
{
	struct job claimed = {0};

	int r = store->operations->claim(store, job->id, &(struct store_lease){60, ""}, &claimed, NULL);
	job->attempt = claimed.attempt;
	job_free(&claimed);
	job->status = JOB_COMPLETED;
	job->verdict = REPORT_ACCEPTED;
	job->has_run = true;
	return r == 0 ? store->operations->finish(store, job, NULL) : r;
}

static int add_jobs(struct service *service)
{
	static char user[] = "ann", language[] = "cpp", code[] = "int main() {}", input[] = "";
	static char path[] = "outputs/" API_DAEMON_FINISHED ".txt", preview[] = "hello";
	struct store *store = service->store;
	struct job job = {.id = API_DAEMON_QUEUED,
		.user_id = user,
		.language = language,
		.code = code,
		.code_size = sizeof(code) - 1,
		.input = input};

	int r = store->operations->create(store, &job, NULL);
	(void)snprintf(job.id, sizeof(job.id), "%s", API_DAEMON_FINISHED);
	job.output_path = path;
	job.stdout_preview = preview;
	if (r == 0)
		r = store->operations->create(store, &job, NULL);
	if (r == 0)
		r = finish(store, &job);
	return r == 0 ? add_output(service->objects, path, preview) : r;
}

int api_daemon_open_stores(struct api_daemon *daemon)
{
	struct service *service = &daemon->service;

	int r = database_open(daemon->dir, &daemon->database, NULL);
	if (r == 0)
		r = store_sqlite_open(daemon->database, &service->store, NULL);
	if (r == 0)
		r = queue_sqlite_open(daemon->database, &service->queue, NULL);
	if (r == 0)
		r = objects_files_open(daemon->database, &service->objects, NULL);
	return r;
}

void api_daemon_close_stores(struct api_daemon *daemon)
{
	struct service *service = &daemon->service;

	if (service->objects != NULL)
		service->objects = service->objects->operations->close(service->objects);
	if (service->queue != NULL)
		service->queue = service->queue->operations->close(service->queue);
	if (service->store != NULL)
		service->store = service->store->operations->close(service->store);
	daemon->database = database_close(daemon->database);
}

static int fill(struct api_daemon *daemon)
{
	int r = make_dir(daemon);

	if (r == 0)
		r = api_daemon_open_stores(daemon);
	return r == 0 ? add_jobs(&daemon->service) : r;
}

static void empty(struct api_daemon *daemon)
{
	api_daemon_close_stores(daemon);
	(void)nftw(daemon->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int api_daemon_reset(struct api_daemon *daemon)
{
	empty(daemon);
	return fill(daemon);
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static const struct service_config config = {
	.role = "all",
	.socket = "/nowhere",
	.code_max_bytes = 200,
	.input_max_bytes = 100,
	.url_ttl_sec = 1800,
};

static int start(struct api_daemon *daemon)
{
	daemon->exchanges = (struct http_exchanges){
		.handler = api_http_handler(&daemon->api),
		.body_max = api_body_max(&config),
	};
	/* As http.c's, but that it has no thread and listens nowhere. */
	daemon->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		http_exchange_handle, &daemon->exchanges, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADER_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
		http_exchange_completed, NULL, MHD_OPTION_END);
	return daemon->daemon != NULL ? 0 : -EIO;
}

int api_daemon_open(struct api_daemon *daemon, const char *policies_dir)
{
	*daemon = (struct api_daemon){.service.config = config};
	(void)log_set_level_name("error", NULL);
	api_init(&daemon->api, &daemon->service);
	int r = languages_open(policies_dir, &daemon->service.languages, NULL);
	if (r == 0)
		r = metrics_open(daemon->service.languages, &daemon->service.metrics, NULL);
	if (r == 0)
		r = fill(daemon);
	if (r == 0)
		r = start(daemon);
	if (r < 0)
		api_daemon_close(daemon);
	return r;
}

void api_daemon_close(struct api_daemon *daemon)
{
	if (daemon->daemon != NULL)
		MHD_stop_daemon(daemon->daemon);
	empty(daemon);
	(void)metrics_close(daemon->service.metrics);
	(void)languages_close(daemon->service.languages);
	api_destroy(&daemon->api);
	*daemon = (struct api_daemon){0};
}

/* --- one connection -------------------------------------------------------------------------------------------- */

struct talk {
	int fd;
	const char *data;
	size_t size, sent, chunk;
	char *answer;
	size_t room, used;
};

/* Sends the next part. */
static void feed(struct talk *talk)
{
	size_t left = talk->size - talk->sent;
	size_t part = left < talk->chunk ? left : talk->chunk;
	ssize_t n = part > 0 ? send(talk->fd, talk->data + talk->sent, part, MSG_NOSIGNAL) : 0;

	if (n > 0)
		talk->sent += (size_t)n;
	if (talk->sent == talk->size || (n < 0 && errno == EPIPE))
		(void)shutdown(talk->fd, SHUT_WR);
}

/* Takes what has come; true at the end of the connection. */
static bool drain(struct talk *talk)
{
	for (;;) {
		char rest[4096];
		bool is_full = talk->used == talk->room;
		ssize_t n = recv(talk->fd, is_full ? rest : talk->answer + talk->used,
			is_full ? sizeof(rest) : talk->room - talk->used, 0);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			return true;
		talk->used += is_full ? 0 : (size_t)n;
	}
}

ssize_t api_daemon_talk(
	struct api_daemon *daemon, const void *data, size_t size, size_t chunk, char *answer, size_t room)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int fd = pair[0];
	struct talk talk = {
		.fd = fd, .data = data, .size = size, .chunk = chunk, .answer = answer, .room = room};
	/* It closes its end in any case. */
	if (MHD_add_connection(daemon->daemon, pair[1], (struct sockaddr *)&address, sizeof(address)) !=
		MHD_YES)
		return -ENOMEM;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		feed(&talk);
		if (MHD_run(daemon->daemon) != MHD_YES)
			return -EIO;
		if (!drain(&talk))
			continue;
		(void)MHD_run(daemon->daemon); /* it cleans up */
		return (ssize_t)talk.used;
	}
	return -ETIMEDOUT;
}
