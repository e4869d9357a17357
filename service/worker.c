#include "service/worker.h"

#include "sandbox/base/fd.h"
#include "service/languages.h"
#include "service/worker_job.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

struct workers {
	struct worker_context context;
	pthread_t *threads; /* owned */
	unsigned nthreads;  /* started */
};

static void *work(void *user)
{
	struct worker_context *context = user;

	while (!worker_is_stopping(context)) {
		if (!worker_wait_for_supervisor(context))
			break;
		worker_next(context);
	}
	return NULL;
}

/* A lease outlasts the longest job of any language. */
static unsigned lease_sec(const struct worker_context *context)
{
	const struct languages *languages = context->service->languages;
	uint64_t longest = 0;

	for (size_t i = 0; i < languages_count(languages); i++) {
		uint64_t usec = runner_wall_usec(&context->runner, languages_at(languages, i));
		longest = usec > longest ? usec : longest;
	}
	return (unsigned)(longest / 1000000) + WORKER_LEASE_MARGIN_SEC;
}

static int start_threads(struct workers *workers, unsigned n, struct sandbox_error *err)
{
	workers->threads = calloc(n, sizeof(workers->threads[0]));
	if (workers->threads == NULL)
		return error_set(err, ENOMEM, "worker.start", "no memory");
	while (workers->nthreads < n) {
		int r = pthread_create(&workers->threads[workers->nthreads], NULL, work, &workers->context);
		if (r != 0)
			return error_set(err, r, "worker.start", "cannot start thread %u", workers->nthreads);
		workers->nthreads++;
	}
	return 0;
}

int workers_start(struct service *service, unsigned n, struct workers **ret, struct sandbox_error *err)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	if (workers == NULL)
		return error_set(err, ENOMEM, "worker.start", "no memory");
	workers->context.service = service;
	workers->context.runner.socket = service->config.socket;
	workers->context.runner.artifacts = service->artifacts;
	workers->context.runner.run_limits = workers_run_limits(&service->config);
	workers->context.lease_sec = lease_sec(&workers->context);
	workers->context.runner.stop_fd = eventfd(0, EFD_CLOEXEC);
	int r = 0;
	if (workers->context.runner.stop_fd < 0)
		r = error_errno(err, "worker.start", "eventfd");
	if (r == 0)
		r = start_threads(workers, n, err);
	if (r < 0) {
		(void)workers_stop(workers);
		return r;
	}
	*ret = workers;
	return 0;
}

struct workers *workers_stop(struct workers *workers)
{
	if (workers == NULL)
		return NULL;
	if (workers->context.runner.stop_fd >= 0)
		(void)eventfd_write(workers->context.runner.stop_fd, 1);
	struct queue *queue = workers->context.service->queue;
	queue->operations->stop(queue);
	for (unsigned i = 0; i < workers->nthreads; i++)
		(void)pthread_join(workers->threads[i], NULL);
	(void)fd_close(workers->context.runner.stop_fd);
	free(workers->threads);
	free(workers);
	return NULL;
}

unsigned workers_default(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

struct sandbox_limits workers_run_limits(const struct service_config *config)
{
	return (struct sandbox_limits){
		.cpu_usec = config->exec_timeout_sec * 1000000,
		.wall_usec = config->exec_timeout_sec * 1000000,
		.memory_bytes = config->memory_bytes,
		.processes = config->processes,
		.output_bytes = config->output_bytes,
		.cpu_millis = config->cpu_millis,
	};
}

int workers_check_limits(const struct service *service, struct sandbox_error *err)
{
	for (size_t i = 0; i < languages_count(service->languages); i++) {
		const struct policy *policy = languages_at(service->languages, i);
		struct sandbox_limits limits = workers_run_limits(&service->config);
		struct sandbox_error cause = {0};
		int r = policy_limits(&policy->steps[SANDBOX_RUN], &limits, &cause);
		if (r < 0)
			return error_set(err, -r, "config", "language %s: %s", policy->name, cause.message);
	}
	return 0;
}
