#include "service/relay.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/events_id.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char stage[] = "relay";

enum {
	POLL_MSEC = 1000,
	SILENCE_SEC = 3 * EVENTS_BEAT_SEC, /* a node that sends not even comments is gone */
};

struct relay {
	CURLM *multi; /* owned, as are these three */
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	char id[JOB_ID_SIZE];
	struct waiters *waiters;
	pthread_t thread;
	bool has_thread;
	bool is_paused; /* the thread's own: libcurl was told to wait */
	atomic_bool is_closing;
	pthread_mutex_t lock; /* for what follows */
	char *buf;	      /* owned, RELAY_BUFFER_BYTES */
	size_t size;
	bool is_full; /* there is no room for the next bytes, which wait in libcurl */
	bool is_over;
};

static void lock(struct relay *relay)
{
	(void)pthread_mutex_lock(&relay->lock);
}

static void unlock(struct relay *relay)
{
	(void)pthread_mutex_unlock(&relay->lock);
}

/* --- the thread ------------------------------------------------------------------------------------------------- */

static size_t take_bytes(char *from, size_t size, size_t n, void *user)
{
	struct relay *relay = user;
	long status = 0;

	size *= n;
	(void)curl_easy_getinfo(relay->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 || size > RELAY_BUFFER_BYTES)
		return 0; /* ends it */
	lock(relay);
	relay->is_full = relay->is_paused = size > RELAY_BUFFER_BYTES - relay->size;
	if (!relay->is_full) {
		memcpy(relay->buf + relay->size, from, size);
		relay->size += size;
	}
	unlock(relay);
	waiters_wake(relay->waiters, relay->id);
	return relay->is_paused ? CURL_WRITEFUNC_PAUSE : size;
}

/* Once whoever reads has made room. */
static void go_on(struct relay *relay)
{
	lock(relay);
	bool may_go_on = relay->is_paused && !relay->is_full;
	unlock(relay);
	if (!may_go_on)
		return;
	relay->is_paused = false;
	(void)curl_easy_pause(relay->easy, CURLPAUSE_CONT);
}

static void *fetch(void *user)
{
	struct relay *relay = user;
	int running = 1;

	CURLMcode code = curl_multi_add_handle(relay->multi, relay->easy);
	while (code == CURLM_OK && running > 0 && !atomic_load(&relay->is_closing)) {
		code = curl_multi_perform(relay->multi, &running);
		if (code == CURLM_OK && running > 0)
			code = curl_multi_poll(relay->multi, NULL, 0, POLL_MSEC, NULL);
		go_on(relay);
	}
	(void)curl_multi_remove_handle(relay->multi, relay->easy);
	lock(relay);
	relay->is_over = true;
	unlock(relay);
	waiters_wake(relay->waiters, relay->id);
	return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static bool add_header(struct relay *relay, const char *line)
{
	struct curl_slist *list = curl_slist_append(relay->headers, line);

	if (list != NULL)
		relay->headers = list;
	return list != NULL;
}

static int make_request(struct relay *relay, const struct relay_options *options, struct sandbox_error *err)
{
	char signature[NODE_SIGNATURE_SIZE], position[EVENTS_ID_SIZE], line[128];

	int r = node_sign(options->node, options->url, options->id, signature, err);
	if (r < 0)
		return r;
	if (asprintf(&relay->url, "%s/jobs/%s/events", options->url, options->id) < 0) {
		relay->url = NULL;
		return error_set(err, ENOMEM, stage, "no memory");
	}
	(void)snprintf(line, sizeof(line), "Authorization: " NODE_SCHEME "%s", signature);
	if (!add_header(relay, line))
		return error_set(err, ENOMEM, stage, "no memory");
	events_id_text(&options->from, position);
	(void)snprintf(line, sizeof(line), "Last-Event-ID: %s", position);
	if (!add_header(relay, line))
		return error_set(err, ENOMEM, stage, "no memory");
	return 0;
}

#define SET(option, value)                                                                                   \
	do {                                                                                                 \
		if (code == CURLE_OK)                                                                        \
			code = curl_easy_setopt(relay->easy, option, value);                                 \
	} while (0)

static int open_handles(struct relay *relay, struct sandbox_error *err)
{
	CURLcode code = CURLE_OK;

	relay->buf = malloc(RELAY_BUFFER_BYTES);
	relay->multi = curl_multi_init();
	relay->easy = curl_easy_init();
	if (relay->buf == NULL || relay->multi == NULL || relay->easy == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	SET(CURLOPT_URL, relay->url);
	SET(CURLOPT_PROTOCOLS_STR, "http");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "cofferdam/1");
	SET(CURLOPT_HTTPHEADER, relay->headers);
	SET(CURLOPT_CONNECTTIMEOUT, (long)RELAY_CONNECT_SEC);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)SILENCE_SEC);
	SET(CURLOPT_WRITEFUNCTION, take_bytes);
	SET(CURLOPT_WRITEDATA, relay);
	return code == CURLE_OK ? 0 : error_set(err, EIO, stage, "%s", curl_easy_strerror(code));
}

int relay_open(const struct relay_options *options, struct relay **ret, struct sandbox_error *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (relay == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	relay->waiters = options->waiters;
	(void)snprintf(relay->id, sizeof(relay->id), "%s", options->id);
	(void)pthread_mutex_init(&relay->lock, NULL);
	int r = make_request(relay, options, err);
	if (r == 0)
		r = open_handles(relay, err);
	if (r == 0) {
		int failed = pthread_create(&relay->thread, NULL, fetch, relay);
		relay->has_thread = failed == 0;
		r = failed == 0 ? 0 : error_set(err, failed, stage, "cannot start a thread");
	}
	if (r == 0)
		*ret = relay;
	else
		(void)relay_close(relay);
	return r;
}

struct relay *relay_close(struct relay *relay)
{
	if (relay == NULL)
		return NULL;
	atomic_store(&relay->is_closing, true);
	if (relay->has_thread) {
		(void)curl_multi_wakeup(relay->multi);
		(void)pthread_join(relay->thread, NULL);
	}
	if (relay->easy != NULL)
		curl_easy_cleanup(relay->easy);
	if (relay->multi != NULL)
		(void)curl_multi_cleanup(relay->multi);
	curl_slist_free_all(relay->headers);
	(void)pthread_mutex_destroy(&relay->lock);
	free(relay->url);
	free(relay->buf);
	free(relay);
	return NULL;
}

/* --- what came -------------------------------------------------------------------------------------------------- */

/* The length of the events that are there whole: up to and with the last empty line. */
static size_t whole_events(const struct relay *relay)
{
	for (size_t size = relay->size; size >= 2; size--)
		if (relay->buf[size - 1] == '\n' && relay->buf[size - 2] == '\n')
			return size;
	return 0;
}

/* Copies the events (TEXT, a string) but for comments to TO. How many bytes; POSITION becomes the last id. */
static size_t copy_events(const char *text, char *to, struct live_position *position)
{
	size_t used = 0;

	for (const char *end; *text != '\0'; text = end) {
		end = strstr(text, "\n\n") + 2;
		if (*text == ':')
			continue;
		const char *id = strstr(text, "\nid: ");
		if (id != NULL && id < end) {
			char line[EVENTS_ID_SIZE] = "";
			id += strlen("\nid: ");
			(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(id, "\n"), id);
			(void)events_id_parse(line, position);
		}
		memcpy(to + used, text, (size_t)(end - text));
		used += (size_t)(end - text);
	}
	return used;
}

static int take(struct relay *relay, char **ret, size_t *ret_size, struct live_position *position)
{
	size_t size = whole_events(relay);

	if (size == 0)
		return relay->is_over || relay->is_full ? RELAY_OVER : 0;
	_cleanup_free_ char *text = strndup(relay->buf, size);
	char *events = malloc(size);
	if (text == NULL || events == NULL || strlen(text) != size) { /* a NUL: that is none of ours */
		free(events);
		return RELAY_OVER;
	}
	*ret_size = copy_events(text, events, position);
	*ret = events;
	memmove(relay->buf, relay->buf + size, relay->size - size);
	relay->size -= size;
	if (relay->is_full) {
		relay->is_full = false;
		(void)curl_multi_wakeup(relay->multi);
	}
	if (*ret_size > 0)
		return RELAY_EVENTS;
	free(events); /* nothing but comments */
	return relay->is_over ? RELAY_OVER : 0;
}

int relay_take(struct relay *relay, char **ret, size_t *ret_size, struct live_position *position)
{
	lock(relay);
	int r = take(relay, ret, ret_size, position);
	unlock(relay);
	return r;
}
