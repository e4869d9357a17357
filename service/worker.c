#include "service/worker.h"

#include "sandbox/base/fd.h"
#include "service/languages.h"
#include "service/node.h"
#include "service/worker_job.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct workers {
	struct worker_context context;
	struct worker *all;   /* owned */
	pthread_t *threads;   /* owned */
	unsigned n, nthreads; /* opened; started */
};

static void *work(void *user)
{
	struct worker *worker = user;

	while (!worker_is_stopping(worker->context)) {
		if (!worker_wait_for_supervisor(worker))
			break;
		worker_next(worker);
	}
	return NULL;
}

/* Readable as soon as one of the two is. */
static int open_either(int one, int other, int *ret, struct sandbox_error *err)
{
	struct epoll_event event = {.events = EPOLLIN};

	_cleanup_close_ int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, one, &event) < 0 ||
		epoll_ctl(fd, EPOLL_CTL_ADD, other, &event) < 0)
		return error_errno(err, "worker.start", "epoll");
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_worker(struct workers *workers, struct worker *worker, struct sandbox_error *err)
{
	struct service *service = workers->context.service;

	*worker = (struct worker){
		.context = &workers->context,
		.runner = {.socket = service->config.socket,
			.stop_fd = -1,
			.artifacts = service->artifacts,
			.run_limits = workers_run_limits(&service->config)},
		.lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (worker->lost_fd < 0)
		return error_errno(err, "worker.start", "eventfd");
	int r = open_either(workers->context.stop_fd, worker->lost_fd, &worker->runner.stop_fd, err);
	if (r < 0)
		return r;
	const struct keeper_options options = {
		.store = service->store,
		.queue = service->queue,
		.lease_sec = workers->context.lease.sec,
		.lost_fd = worker->lost_fd,
	};
	return keeper_open(&options, &worker->keeper, err);
}

static void close_worker(struct worker *worker)
{
	worker->keeper = keeper_close(worker->keeper);
	worker->runner.stop_fd = fd_close(worker->runner.stop_fd);
	worker->lost_fd = fd_close(worker->lost_fd);
}

static int start_threads(struct workers *workers, unsigned n, struct sandbox_error *err)
{
	int r = 0;

	workers->all = calloc(n, sizeof(workers->all[0]));
	workers->threads = calloc(n, sizeof(workers->threads[0]));
	if (workers->all == NULL || workers->threads == NULL)
		return error_set(err, ENOMEM, "worker.start", "no memory");
	while (workers->n < n && r == 0)
		r = open_worker(workers, &workers->all[workers->n++], err);
	while (workers->nthreads < n && r == 0) {
		unsigned i = workers->nthreads;
		r = pthread_create(&workers->threads[i], NULL, work, &workers->all[i]);
		if (r != 0)
			return error_set(err, r, "worker.start", "cannot start thread %u", i);
		workers->nthreads++;
	}
	return r;
}

int workers_start(struct service *service, unsigned n, struct workers **ret, struct sandbox_error *err)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	if (workers == NULL)
		return error_set(err, ENOMEM, "worker.start", "no memory");
	workers->context.service = service;
	workers->context.lease = (struct store_lease){
		.sec = (unsigned)service->config.lease_sec, .worker = node_url(service->node)};
	workers->context.stop_fd = eventfd(0, EFD_CLOEXEC);
	int r = 0;
	if (workers->context.stop_fd < 0)
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
	if (workers->context.stop_fd >= 0)
		(void)eventfd_write(workers->context.stop_fd, 1);
	struct queue *queue = workers->context.service->queue;
	queue->operations->stop(queue);
	for (unsigned i = 0; i < workers->nthreads; i++)
		(void)pthread_join(workers->threads[i], NULL);
	for (unsigned i = 0; i < workers->n; i++)
		close_worker(&workers->all[i]);
	(void)fd_close(workers->context.stop_fd);
	free(workers->all);
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
