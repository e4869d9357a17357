/* pump.c: the target's output on its way to the client. The bytes are spliced from pipe to pipe: they never enter this
 * process, which therefore cannot be confused by them, and needs no buffer however fast they come. A client that does
 * not read fills its pipe, then the target's, and the target waits: the wall limit covers that.
 * After the end such a client keeps its run open, until it reads on or goes away. */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum {
	PUMP_CHUNK = 1024 * 1024,
	PUMP_ROUNDS = 8, /* per event, so that one flood does not starve the other runs */
};

static struct pump *pump_of(struct watch *watch)
{
	struct pump *pumps = watch->run->pumps;
	bool is_first = watch == &pumps[0].from_watch || watch == &pumps[0].to_watch;

	return is_first ? &pumps[0] : &pumps[1];
}

void pump_close(struct pump *pump)
{
	watch_remove(&pump->from_watch);
	watch_remove(&pump->to_watch);
	pump->from = fd_close(pump->from);
	pump->to = fd_close(pump->to);
}

/* The pipe is empty or the client's is full: wait for the one that is in the way. */
static int pump_wait(struct pump *pump)
{
	int available = 0;
	bool is_full = ioctl(pump->from, FIONREAD, &available) == 0 && available > 0 && pump->to >= 0;

	/* Removed, not just masked: epoll always reports a hang-up, and it would spin. */
	if (is_full) {
		watch_remove(&pump->from_watch);
		return pump->to_watch.fd >= 0 ? 0 : watch_add(&pump->to_watch, pump->to, EPOLLOUT);
	}
	watch_remove(&pump->to_watch);
	return pump->from_watch.fd >= 0 ? 0 : watch_add(&pump->from_watch, pump->from, EPOLLIN);
}

/* Moves one portion. 1: go on; 0: wait or at the end; negative: the pipe is broken. */
static int pump_move(struct pump *pump, struct sandbox_run *run)
{
	uint64_t left = run->limits.output_bytes - run->result.output_bytes;
	/* The limit itself is allowed, one byte more is not: that one goes nowhere. */
	int to = pump->to >= 0 && left > 0 ? pump->to : run->sandbox->null_fd;
	size_t size = left == 0 ? 1 : left < PUMP_CHUNK ? (size_t)left : PUMP_CHUNK;

	ssize_t n = splice(pump->from, NULL, to, NULL, size, SPLICE_F_NONBLOCK);
	if (n > 0 && left == 0) {
		run->facts.output_bytes = run->result.output_bytes + 1;
		pump_close(pump);
		run_kill(run, SANDBOX_OUTPUT_LIMIT);
		return 0;
	}
	if (n > 0) {
		run->result.output_bytes += (uint64_t)n;
		return 1;
	}
	if (n == 0) {
		pump_close(pump);
		return 0;
	}
	if (errno == EAGAIN)
		return pump_wait(pump) < 0 ? -EIO : 0;
	if (errno == EINTR)
		return 1;
	if (errno == EPIPE && pump->to >= 0) {
		/* The client has enough: the rest is counted and dropped. */
		watch_remove(&pump->to_watch);
		pump->to = fd_close(pump->to);
		return 1;
	}
	return -errno;
}

static void pump_ready(struct watch *watch, uint32_t events)
{
	struct pump *pump = pump_of(watch);
	struct sandbox_run *run = watch->run;
	int r = 1;

	(void)events;
	for (int i = 0; r > 0 && pump->from >= 0 && i < PUMP_ROUNDS; i++)
		r = pump_move(pump, run);
	/* After a pause at a full pipe with the client's pipe free again, both watches may be due. */
	if (r > 0 && pump->from >= 0)
		r = pump_wait(pump);
	if (r < 0) {
		struct sandbox_error err = {0};
		(void)error_set(&err, -r, "engine.output", "splice: %s", strerrordesc_np(-r));
		pump_close(pump);
		run_fail(run, &err);
		return;
	}
	run_settle(run);
}

int pump_open(
	struct pump *pump, struct sandbox_run *run, int to, int *ret_write_end, struct sandbox_error *err)
{
	int pair[2];

	pump->from_watch = pump->to_watch = (struct watch){
		.fd = -1,
		.ready = pump_ready,
		.sandbox = run->sandbox,
		.run = run,
	};
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, "engine.output", "pipe");
	pump->from = pair[0];
	*ret_write_end = pair[1];
	if (fcntl(pump->from, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, "engine.output", "O_NONBLOCK");
	if (to >= 0) {
		pump->to = fcntl(to, F_DUPFD_CLOEXEC, 3);
		if (pump->to < 0)
			return error_errno(err, "engine.output", "duplicate");
	}
	return 0;
}

int pump_start(struct pump *pump)
{
	return watch_add(&pump->from_watch, pump->from, EPOLLIN);
}
