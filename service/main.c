/* main.c: cofferdam-service. Reads its configuration, opens what it needs, serves until a signal comes.
 *
 * Roles: `api` answers HTTP, `worker` runs jobs, `all` does both. It needs no capability and no particular user; the
 * supervisor at SOCKET does what needs root. */
#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "sandbox/base/ready.h"
#include "service/api.h"
#include "service/artifacts.h"
#include "service/backends.h"
#include "service/emf.h"
#include "service/janitor.h"
#include "service/languages.h"
#include "service/live.h"
#include "service/metrics.h"
#include "service/node.h"
#include "service/node_server.h"
#include "service/redrive.h"
#include "service/request.h"
#include "service/setup.h"
#include "service/waiters.h"
#include "service/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define ROW(name, type, field, min, max, standard, help)                                                     \
	{                                                                                                    \
		name, type, offsetof(struct service_config, field), min, max, standard, help                 \
	}

static const struct config_row rows[] = {
	ROW("LISTEN", CONFIG_STRING, listen, 1, 63, "127.0.0.1", "loopback address to listen on, in numbers"),
	ROW("PORT", CONFIG_NUMBER, port, 0, 65535, "8080", "port to listen on; 0: any free one"),
	ROW("STATE_DIR", CONFIG_STRING, state_dir, 1, 4000, "/var/lib/cofferdam",
		"the service keeps jobs and outputs in STATE_DIR/service"),
	ROW("SOCKET", CONFIG_STRING, socket, 1, 107, NULL,
		"the supervisor's socket (default: STATE_DIR/supervisor.sock)"),
	ROW("POLICIES_DIR", CONFIG_STRING, policies_dir, 1, 4000, DEFAULT_POLICIES_DIR,
		"directory of the policies"),
	ROW("ROLE", CONFIG_STRING, role, 1, 16, "all", "api, worker or all"),
	ROW("WORKERS", CONFIG_NUMBER, workers, 0, 1024, "0", "jobs that run at one time; 0: as many as CPUs"),
	ROW("LEASE_SEC", CONFIG_NUMBER, lease_sec, 3, 43200, "30",
		"so long a worker that has died holds on to its job; renewed while it lives"),
	ROW("KEEP_DAYS", CONFIG_NUMBER, keep_days, 0, 36500, "0",
		"days that jobs and outputs are kept; 0: for ever"),
	ROW("DYNAMODB_TABLE", CONFIG_STRING, dynamodb_table, 1, 255, NULL,
		"table of DynamoDB for the jobs; without: STATE_DIR"),
	ROW("SQS_QUEUE_URL", CONFIG_STRING, queue_url, 1, 1024, NULL,
		"queue of SQS; SQS_QUEUE_URL_CPP and the like in the environment: one of a language's own"),
	ROW("SQS_QUEUE_URL_HIGH", CONFIG_STRING, urgent_queue_url, 1, 1024, NULL,
		"queue for jobs of priority high, which is asked first"),
	ROW("CODE_EXEC_BUCKET", CONFIG_STRING, bucket, 1, 63, NULL,
		"bucket of S3 for outputs; without: STATE_DIR"),
	ROW("S3_PUBLIC_ENDPOINT", CONFIG_STRING, s3_public_endpoint, 1, 1024, NULL,
		"where downloaders find S3, if not where the service does"),
	ROW("S3_PATH_STYLE", CONFIG_FLAG, is_s3_path_style, 0, 0, "no",
		"the bucket's name goes into the path, as it does anyway with an endpoint of one's own"),
	ROW("EXEC_TIMEOUT_SEC", CONFIG_NUMBER, exec_timeout_sec, 1, 3600, "10",
		"seconds that a program may run, elapsed and of CPU time"),
	ROW("EXEC_MEMORY", CONFIG_BYTES, memory_bytes, 0, 1ULL << 40, "0",
		"memory of a program; 0: as its policy says"),
	ROW("EXEC_PROCESSES", CONFIG_NUMBER, processes, 0, 100000, "0",
		"processes and threads of a program; 0: as its policy says"),
	ROW("EXEC_CPUS", CONFIG_MILLIS, cpu_millis, 0, 1024000, "0",
		"CPUs that a program may use at one time (0.5, 2); 0: as its policy says"),
	ROW("EXEC_OUTPUT", CONFIG_BYTES, output_bytes, 0, 1ULL << 30, "0",
		"what a program may print; 0: as its policy says"),
	ROW("IMAGES_DIR", CONFIG_STRING, images_dir, 1, 4000, DEFAULT_IMAGES_DIR,
		"directory of the root images; their digests are read"),
	ROW("ARTIFACTS_MAX", CONFIG_BYTES, artifacts_bytes, 0, 1ULL << 40, "1G",
		"compiled programs kept on disk; 0: everything is compiled"),
	ROW("ARTIFACTS_MEMORY", CONFIG_BYTES, artifacts_memory_bytes, 0, 1ULL << 40, "64M",
		"compiled programs held in memory as well"),
	ROW("ARTIFACTS_PER_USER", CONFIG_FLAG, is_artifact_per_user, 0, 0, "no",
		"a user never gets what another's submission compiled"),
	ROW("CODE_MAX", CONFIG_BYTES, code_max_bytes, 1, 16 << 20, "100000", "largest code of a submission"),
	ROW("INPUT_MAX", CONFIG_BYTES, input_max_bytes, 0, 16 << 20, "1M", "largest input of a submission"),
	ROW("URL_TTL_SEC", CONFIG_NUMBER, url_ttl_sec, 1, 604800, "1800",
		"seconds that a download link is valid"),
	ROW("REQUEST_TIMEOUT_SEC", CONFIG_NUMBER, request_timeout_sec, 1, 3600, "10",
		"seconds within which a request must have arrived whole"),
	ROW("NODE_LISTEN", CONFIG_STRING, node_listen, 1, 63, NULL,
		"address on which other nodes fetch the live output of jobs that run here; without: they "
		"cannot"),
	ROW("NODE_PORT", CONFIG_NUMBER, node_port, 0, 65535, "8090", "port of NODE_LISTEN; 0: any free one"),
	ROW("NODE_URL", CONFIG_STRING, node_url, 8, JOB_WORKER_BYTES, NULL,
		"where they find it (default: http://NODE_LISTEN:NODE_PORT)"),
	ROW("NODE_KEY_FILE", CONFIG_STRING, node_key_file, 1, 4000, NULL,
		"file with the key that all nodes share, at least 32 bytes; without: output of jobs that run "
		"elsewhere "
		"is not live"),
	ROW("NODE_KEY", CONFIG_STRING, node_key, 1, NODE_KEY_MAX, NULL,
		"the key itself; in the environment, not where everybody sees it"),
	ROW("EMF_FILE", CONFIG_STRING, emf_file, 1, 4000, NULL,
		"gets metrics for CloudWatch each minute, in its embedded metric format; -: standard output"),
	ROW("EMF_NAMESPACE", CONFIG_STRING, emf_namespace, 1, 255, "Cofferdam", "CloudWatch's name for them"),
	ROW("LOG_LEVEL", CONFIG_STRING, log_level, 1, 16, "info", "debug, info, warn or error"),
	ROW("ready-fd", CONFIG_NUMBER, ready_fd, 3, 1023, NULL,
		"open descriptor that gets the line READY and the address once requests are accepted"),
};

static const char usage[] = "cofferdam-service [options]\n"
			    "The job service of Cofferdam: HTTP, queue, store and workers.\n"
			    "cofferdam-service setup --help: makes table, queues and bucket in AWS.\n"
			    "cofferdam-service redrive --help: queues jobs again that were given up there.\n";

enum {
	EXIT_USAGE = 2,
	/* Where another process runs the jobs, nobody tells of their ends: so often requests that wait look by themselves. */
	LOOK_MSEC = 250,
};

/* Everything that is open, in the order in which it was opened. */
struct program {
	struct service service;
	char *socket;	 /* owned: the default's text */
	char *directory; /* owned: STATE_DIR/service */
	int dirfd;	 /* owned: that directory */
	struct backends *backends;
	struct workers *workers;
	struct janitor *janitor;
	struct emf *emf; /* NULL: nobody asked for it */
	struct http_server *server, *node_server;
	struct api api;
};

/* --- configuration -------------------------------------------------------------------------------------------- */

static int check_config(const struct service_config *config, struct sandbox_error *err)
{
	if (strcmp(config->role, "api") != 0 && strcmp(config->role, "worker") != 0 &&
		strcmp(config->role, "all") != 0)
		return error_set(err, EINVAL, "config", "ROLE is api, worker or all");
	if (!request_address_is_loopback(config->listen))
		return error_set(err, EINVAL, "config",
			"LISTEN must be a loopback address in numbers, such as 127.0.0.1 or ::1: the service "
			"knows no authentication yet and accepts code from whoever reaches it");
	return log_set_level_name(config->log_level, err);
}

static int configure(struct program *program, int argc, char *argv[], struct sandbox_error *err)
{
	struct service_config *config = &program->service.config;
	int next = argc;

	int r = config_parse(rows, ARRAY_SIZE(rows), config, argc, argv, usage, stdout, &next, err);
	if (r != 0)
		return r;
	if (next < argc)
		return error_set(err, EINVAL, "config", "unexpected argument: %.64s", argv[next]);
	if (asprintf(&program->directory, "%s/service", config->state_dir) < 0 ||
		asprintf(&program->socket, "%s/supervisor.sock", config->state_dir) < 0)
		return error_set(err, ENOMEM, "config", "no memory");
	if (config->socket == NULL)
		config->socket = program->socket;
	return check_config(config, err);
}

/* --- start ---------------------------------------------------------------------------------------------------- */

/* No set-user-id program may ever give it more than it has; descriptors for all connections. */
static int limit_self(struct program *program, struct sandbox_error *err)
{
	struct rlimit files;

	(void)program;
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, "service.limits", "no_new_privs");
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) < 0)
		return error_errno(err, "service.limits", "RLIMIT_CORE");
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_errno(err, "service.limits", "RLIMIT_NOFILE");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_errno(err, "service.limits", "RLIMIT_NOFILE");
	return 0;
}

static int make_directory(const char *path, mode_t mode, struct sandbox_error *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return error_errno(err, "service.state", "cannot make %s", path);
	return 0;
}

static int open_directories(struct program *program, struct sandbox_error *err)
{
	int r = make_directory(program->service.config.state_dir, 0755, err);

	if (r == 0)
		r = make_directory(program->directory, 0700, err);
	if (r < 0)
		return r;
	program->dirfd = open(program->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return program->dirfd < 0 ? error_errno(err, "service.state", "%s", program->directory) : 0;
}

static bool has_role(const struct program *program, const char *role)
{
	const char *own = program->service.config.role;

	return strcmp(own, "all") == 0 || strcmp(own, role) == 0;
}

static int open_artifacts(struct program *program, struct sandbox_error *err)
{
	const struct service_config *config = &program->service.config;
	const struct artifacts_options options = {
		.dirfd = program->dirfd,
		.images_dir = config->images_dir,
		.max_bytes = config->artifacts_bytes,
		.memory_bytes = config->artifacts_memory_bytes,
		.is_per_user = config->is_artifact_per_user,
	};

	if (config->artifacts_bytes == 0 || !has_role(program, "worker"))
		return 0;
	return artifacts_open(&options, program->service.languages, &program->service.artifacts, err);
}

static int open_languages(struct program *program, struct sandbox_error *err)
{
	struct service *service = &program->service;

	int r = languages_open(service->config.policies_dir, &service->languages, err);
	if (r == 0)
		r = workers_check_limits(service, err);
	if (r == 0)
		r = metrics_open(service->languages, &service->metrics, err);
	return r;
}

static int open_backends(struct program *program, struct sandbox_error *err)
{
	return backends_open(&program->service, program->directory, &program->backends, err);
}

/* Only where no other process may run the jobs is every end told to those who wait. */
static int open_waiters(struct program *program, struct sandbox_error *err)
{
	bool is_alone = has_role(program, "worker") && !backends_are_remote(&program->service.config);

	return waiters_open(is_alone ? 0 : LOOK_MSEC, &program->service.waiters, err);
}

static int open_live(struct program *program, struct sandbox_error *err)
{
	if (!has_role(program, "worker"))
		return 0;
	return live_open(program->service.waiters, &program->service.live, err);
}

static int open_node(struct program *program, struct sandbox_error *err)
{
	struct service *service = &program->service;

	int r = node_open(&service->config, &service->node, err);
	if (r == 0 && service->config.node_listen != NULL)
		r = node_server_open(service, &program->node_server, err);
	return r;
}

static int requeue(const struct job_ticket *ticket, void *user)
{
	struct service *service = user;
	struct sandbox_error err = {0};

	int r = service->queue->operations->send(service->queue, ticket, &err);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "recover.failed", "s:id", ticket->id, "e:error", &err, NULL);
	return r;
}

static int start_emf(struct program *program, struct sandbox_error *err)
{
	const struct service_config *config = &program->service.config;
	const struct emf_options options = {
		.metrics = program->service.metrics,
		.queue = program->service.queue,
		.name_space = config->emf_namespace,
		.round_msec = EMF_ROUND_MSEC,
		.path = config->emf_file,
	};

	return config->emf_file != NULL ? emf_open(&options, &program->emf, err) : 0;
}

/* Jobs that a dead process had accepted or begun are taken up again. */
static int start_workers(struct program *program, struct sandbox_error *err)
{
	struct service *service = &program->service;
	unsigned n = service->config.workers > 0 ? (unsigned)service->config.workers : workers_default();

	if (!has_role(program, "worker"))
		return 0;
	int r = service->store->operations->recover(service->store, requeue, service, err);
	if (r == 0)
		r = janitor_open(&(struct janitor_options){service->store, service->objects, service->queue},
			&program->janitor, err);
	return r < 0 ? r : workers_start(service, n, &program->workers, err);
}

static int start_server(struct program *program, struct sandbox_error *err)
{
	const struct service_config *config = &program->service.config;
	const struct http_options options = {
		.address = config->listen,
		.port = (uint16_t)config->port,
		.timeout_sec = (unsigned)config->request_timeout_sec,
		.body_max = api_body_max(config),
		.handler = api_http_handler(&program->api),
		.waiters = program->service.waiters,
		.threads = backends_are_remote(config) ? HTTP_THREADS_REMOTE : 0,
	};

	if (!has_role(program, "api"))
		return 0;
	return http_server_open(&options, &program->server, err);
}

static int announce(struct program *program, struct sandbox_error *err)
{
	const struct service_config *config = &program->service.config;
	unsigned port = program->server ? http_server_port(program->server) : 0;
	char url[96], line[128] = "READY\n";

	http_url(config->listen, port, url, sizeof(url));
	if (has_role(program, "api"))
		(void)snprintf(line, sizeof(line), "READY %s\n", url);
	log_event(LOG_LEVEL_INFO, "service.ready", "s:role", config->role, "s:listen", config->listen,
		"u:port", (uint64_t)port, NULL);
	return ready_announce(config->ready_fd ? (int)config->ready_fd : -1, line, err);
}

static const struct {
	const char *name;
	int (*step)(struct program *program, struct sandbox_error *err);
} steps[] = {
	{"limit_self", limit_self},
	{"open_directories", open_directories},
	{"open_languages", open_languages},
	{"open_backends", open_backends},
	{"open_artifacts", open_artifacts},
	{"open_waiters", open_waiters},
	{"open_live", open_live},
	{"open_node", open_node},
	{"start_emf", start_emf},
	{"start_workers", start_workers},
	{"start_server", start_server},
	{"announce", announce},
};

static int start(struct program *program, struct sandbox_error *err)
{
	int r = 0;

	api_init(&program->api, &program->service);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		r = steps[i].step(program, err);
	return r;
}

/* In the reverse order; accepts what never started. */
static void stop(struct program *program)
{
	struct service *service = &program->service;

	program->server = http_server_close(program->server);
	program->workers = workers_stop(program->workers);
	program->janitor = janitor_close(program->janitor);
	program->emf = emf_close(program->emf);
	program->node_server = http_server_close(program->node_server);
	service->node = node_close(service->node);
	service->live = live_close(service->live);
	service->waiters = waiters_close(service->waiters);
	program->backends = backends_close(program->backends, service);
	program->dirfd = fd_close(program->dirfd);
	service->artifacts = artifacts_close(service->artifacts);
	service->metrics = metrics_close(service->metrics);
	service->languages = languages_close(service->languages);
	api_destroy(&program->api);
	free(program->socket);
	free(program->directory);
}

/* --- the program ---------------------------------------------------------------------------------------------- */

static int serve(struct program *program)
{
	struct sandbox_error err = {0};
	sigset_t signals;
	int number;

	/* Blocked before the first thread starts, so that all inherit it and the signals wait for sigwait. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	int r = start(program, &err);
	if (r == 0) {
		(void)sigwait(&signals, &number);
		log_event(LOG_LEVEL_INFO, "service.stopping", "i:signal", (int64_t)number, NULL);
	} else {
		log_event(LOG_LEVEL_ERROR, "service.failed", "e:error", &err, NULL);
	}
	stop(program);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	struct program program = {.dirfd = -1};
	struct sandbox_error err = {0};

	if (argc > 1 && strcmp(argv[1], "setup") == 0)
		return setup_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "redrive") == 0)
		return redrive_main(argc - 1, argv + 1);
	int r = configure(&program, argc, argv, &err);
	if (r == 0)
		return serve(&program);
	if (r < 0)
		(void)fprintf(stderr, "cofferdam-service: %s\n", err.message);
	free(program.socket);
	free(program.directory);
	return r == CONFIG_HELP ? EXIT_SUCCESS : EXIT_USAGE;
}
