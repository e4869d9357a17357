#include "service/emf.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/monotonic.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { NSEC_PER_MSEC = 1000 * 1000, NSEC_PER_SEC = 1000 * 1000 * 1000 };

struct emf {
	struct emf_options options;
	struct metrics_counts last; /* as the line before had them */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stopping;
	bool is_stopping;
};

/* --- a line --------------------------------------------------------------------------------------------------- */

struct figure {
	const char *name;
	uint64_t value;
};

/* Owned; NULL: no memory. DIMENSIONS (stolen): sets of names, whose values the caller adds. */
static json_t *line_of(const struct emf *emf, json_t *dimensions, const struct figure *figures, size_t n)
{
	json_t *metrics = json_array();
	int r = 0;

	for (size_t i = 0; i < n; i++)
		r |= json_array_append_new(
			metrics, json_pack("{s:s, s:s}", "Name", figures[i].name, "Unit", "Count"));
	json_t *line = json_pack("{s:{s:I, s:[{s:s, s:o, s:o}]}}", "_aws", "Timestamp",
		(json_int_t)(job_now_usec() / 1000), "CloudWatchMetrics", "Namespace",
		emf->options.name_space, "Dimensions", dimensions, "Metrics", metrics);
	for (size_t i = 0; i < n; i++)
		r |= json_object_set_new(line, figures[i].name, json_integer((json_int_t)figures[i].value));
	if (r == 0)
		return line;
	json_decref(line);
	return NULL;
}

/* LINE is stolen. */
static int print(FILE *out, json_t *line)
{
	_cleanup_free_ char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;

	json_decref(line);
	return text != NULL && fprintf(out, "%s\n", text) > 0 ? 0 : -ENOMEM;
}

static int print_node(const struct emf *emf, const struct metrics_counts *now, FILE *out)
{
	struct queue *queue = emf->options.queue;
	struct sandbox_error err = {0};
	uint64_t depth = 0;
	const struct figure figures[] = {
		{"JobsRunning", now->running},
		{"JobsSubmitted", now->submitted - emf->last.submitted},
		{"JobsRetried", now->retried - emf->last.retried},
		{"QueueDepth", 0},
	};
	struct figure all[ARRAY_SIZE(figures)];

	bool has_depth = queue->operations->depth(queue, &depth, &err) == 0;
	memcpy(all, figures, sizeof(all));
	all[ARRAY_SIZE(all) - 1].value = depth;
	return print(out, line_of(emf, json_pack("[[]]"), all, ARRAY_SIZE(all) - !has_depth));
}

static int print_finished(
	const struct emf *emf, const char *language, enum report_verdict verdict, uint64_t n, FILE *out)
{
	json_t *sets = json_pack("[[s], [s, s]]", "Verdict", "Language", "Verdict");
	json_t *line = line_of(emf, sets, &(struct figure){"JobsFinished", n}, 1);

	int r = json_object_set_new(line, "Language", json_string(language));
	r |= json_object_set_new(line, "Verdict", json_string(report_verdict_name(verdict)));
	if (r == 0)
		return print(out, line);
	json_decref(line);
	return -ENOMEM;
}

static int print_all(const struct emf *emf, const struct metrics_counts *now, FILE *out)
{
	int r = print_node(emf, now, out);

	for (size_t i = 0; i < now->nlanguages; i++)
		for (unsigned verdict = REPORT_NONE + 1; verdict < REPORT_VERDICT_N && r == 0; verdict++) {
			const struct metrics_language *language = &now->languages[i];
			uint64_t before = emf->last.languages ? emf->last.languages[i].finished[verdict] : 0;
			uint64_t n = language->finished[verdict] - before;
			if (n > 0)
				r = print_finished(emf, language->name, (enum report_verdict)verdict, n, out);
		}
	return r;
}

/* --- where it goes -------------------------------------------------------------------------------------------- */

/* Owned, also that of standard output. */
static int open_output(const char *path)
{
	if (strcmp(path, "-") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
}

/* In one piece, so that who reads sees whole lines. */
static int write_text(const struct emf *emf, const char *text, size_t size)
{
	_cleanup_close_ int fd = open_output(emf->options.path);

	return fd < 0 ? -errno : fd_write_all(fd, text, size);
}

/* What could not be written is in the next round's lines. */
static void report(struct emf *emf)
{
	struct metrics_counts now = {0};
	_cleanup_free_ char *text = NULL;
	struct sandbox_error err = {0};
	size_t size = 0;

	int r = metrics_count(emf->options.metrics, &now);
	FILE *out = r == 0 ? open_memstream(&text, &size) : NULL;
	if (r == 0)
		r = out != NULL ? print_all(emf, &now, out) : -ENOMEM;
	if (out != NULL && fclose(out) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = write_text(emf, text, size);
	if (r < 0) {
		(void)error_set(&err, -r, "emf", "%s", emf->options.path);
		log_event(LOG_LEVEL_WARN, "emf.failed", "e:error", &err, NULL);
		free(now.languages);
		return;
	}
	free(emf->last.languages);
	emf->last = now;
}

/* --- life ----------------------------------------------------------------------------------------------------- */

static void add_msec(struct timespec *time, unsigned msec)
{
	time->tv_nsec += (long)(msec % 1000) * NSEC_PER_MSEC;
	time->tv_sec += msec / 1000 + time->tv_nsec / NSEC_PER_SEC;
	time->tv_nsec %= NSEC_PER_SEC;
}

static void *work(void *user)
{
	struct emf *emf = user;
	struct timespec next;
	bool is_last;

	(void)clock_gettime(CLOCK_MONOTONIC, &next);
	do {
		add_msec(&next, emf->options.round_msec);
		(void)pthread_mutex_lock(&emf->lock);
		while (!emf->is_stopping && pthread_cond_timedwait(&emf->stopping, &emf->lock, &next) == 0)
			;
		is_last = emf->is_stopping;
		(void)pthread_mutex_unlock(&emf->lock);
		report(emf);
	} while (!is_last);
	return NULL;
}

static struct emf *release(struct emf *emf)
{
	(void)pthread_cond_destroy(&emf->stopping);
	(void)pthread_mutex_destroy(&emf->lock);
	free(emf->last.languages);
	free(emf);
	return NULL;
}

int emf_open(const struct emf_options *options, struct emf **ret, struct sandbox_error *err)
{
	_cleanup_close_ int fd = open_output(options->path);
	if (fd < 0)
		return error_errno(err, "emf", "cannot write %s", options->path);
	struct emf *emf = calloc(1, sizeof(*emf));
	if (emf == NULL)
		return error_set(err, ENOMEM, "emf", "no memory");
	emf->options = *options;
	(void)pthread_mutex_init(&emf->lock, NULL);
	monotonic_condition_init(&emf->stopping);
	int r = pthread_create(&emf->thread, NULL, work, emf);
	if (r == 0) {
		*ret = emf;
		return 0;
	}
	(void)release(emf);
	return error_set(err, r, "emf", "cannot start a thread");
}

struct emf *emf_close(struct emf *emf)
{
	if (emf == NULL)
		return NULL;
	(void)pthread_mutex_lock(&emf->lock);
	emf->is_stopping = true;
	(void)pthread_cond_signal(&emf->stopping);
	(void)pthread_mutex_unlock(&emf->lock);
	(void)pthread_join(emf->thread, NULL);
	return release(emf);
}
