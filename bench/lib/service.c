#include "bench/lib/service.h"

#include <curl/curl.h>
#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the service ------------------------------------------------------------------------------------------------ */

/* The address, which it prints when it is ready. */
static void read_address(struct service *service, int fd)
{
	size_t n = 0;

	while (n < sizeof(service->url) - 1 && read(fd, &service->url[n], 1) == 1 && service->url[n] != '\n')
		n++;
	service->url[n] = '\0';
	if (strncmp(service->url, "http://", 7) != 0)
		errx(1, "the service did not start: %s/log", service->dir);
}

/* In the child: PROGRAM with ARGV, which says its address on OUT. */
static _Noreturn void become(const struct service *service, char *const argv[], int out)
{
	char log[80];

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the benchmark ends by a fault */
	(void)snprintf(log, sizeof(log), "%s/log", service->dir);
	(void)dup2(out, 1);
	(void)dup2(open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644), 2);
	if (setenv("STATE_DIR", service->dir, 1) == 0 && setenv("PORT", "0", 1) == 0)
		(void)execv(argv[0], argv);
	_exit(127);
}

static void start(struct service *service, char *const argv[])
{
	const char *tmp = getenv("TMPDIR");
	int out[2];

	(void)snprintf(
		service->dir, sizeof(service->dir), "%.40s/cofferdam-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (mkdtemp(service->dir) == NULL || chmod(service->dir, 0755) < 0 || pipe2(out, O_CLOEXEC) < 0)
		err(1, "%s", service->dir);
	service->pid = fork();
	if (service->pid < 0)
		err(1, "fork");
	if (service->pid == 0)
		become(service, argv, out[1]);
	(void)close(out[1]);
	read_address(service, out[0]);
	(void)close(out[0]);
}

void service_start(struct service *service, const char *cli)
{
	char path[4096], serve[] = "serve";

	(void)snprintf(path, sizeof(path), "%s", cli);
	start(service, (char *const[]){path, serve, NULL});
}

void service_start_local(struct service *service, const char *local, const char *cli, unsigned workers)
{
	char script[4096], programs[4096], beside[16];

	(void)snprintf(script, sizeof(script), "%s", local);
	(void)snprintf(programs, sizeof(programs), "%s", cli);
	(void)snprintf(beside, sizeof(beside), "%u", workers - 1);
	if (setenv("WORKERS_BESIDE", beside, 1) < 0)
		err(1, "environment");
	start(service, (char *const[]){script, dirname(programs), NULL});
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void service_stop(struct service *service)
{
	(void)kill(service->pid, SIGTERM);
	(void)waitpid(service->pid, NULL, 0);
	(void)nftw(service->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static uint64_t resident(pid_t pid)
{
	char path[64], line[256];
	unsigned long long kib = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmRSS: %llu kB", &kib) == 1)
			break;
	if (file != NULL)
		(void)fclose(file);
	return kib * 1024;
}

static uint64_t resident_tree(pid_t pid)
{
	uint64_t sum = resident(pid);
	char path[64];
	int child;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fscanf(file, "%d", &child) == 1)
		sum += resident_tree(child);
	if (file != NULL)
		(void)fclose(file);
	return sum;
}

uint64_t service_memory(const struct service *service)
{
	return resident_tree(service->pid);
}

uint64_t service_file_bytes(const struct service *service, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/service/%s", service->dir, name);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* --- a client --------------------------------------------------------------------------------------------------- */

enum { ANSWER_BYTES = 256 * 1024 };

struct client {
	CURL *curl;
	struct curl_slist *headers;
	const char *url;
	char answer[ANSWER_BYTES];
	size_t size;
};

static size_t take(char *data, size_t one, size_t n, void *user)
{
	struct client *client = user;

	(void)one; /* 1 */
	if (client->size + n >= sizeof(client->answer))
		errx(1, "an answer of more than %d bytes", ANSWER_BYTES);
	memcpy(client->answer + client->size, data, n);
	client->size += n;
	client->answer[client->size] = '\0';
	return n;
}

struct client *client_open(const struct service *service)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL || (client->curl = curl_easy_init()) == NULL)
		err(1, "client");
	client->url = service->url;
	client->headers = curl_slist_append(NULL, "Content-Type: application/json");
	(void)curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take);
	(void)curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
	(void)curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
	return client;
}

void client_close(struct client *client)
{
	curl_slist_free_all(client->headers);
	curl_easy_cleanup(client->curl);
	free(client);
}

static void ask(struct client *client, const char *path, const char *body, long status)
{
	char url[256];
	long got = 0;

	(void)snprintf(url, sizeof(url), "%s%s", client->url, path);
	client->size = 0;
	(void)curl_easy_setopt(client->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	(void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
	if (body != NULL) {
		(void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
		(void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
	}
	CURLcode code = curl_easy_perform(client->curl);
	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &got);
	if (code != CURLE_OK || got != status)
		errx(1, "%s: %s, status %ld: %.500s", url, curl_easy_strerror(code), got, client->answer);
}

/* The string at KEY of the answer. Owned. */
static char *text_of(const struct client *client, const char *key)
{
	json_t *json = json_loadb(client->answer, client->size, 0, NULL);
	const char *text = json_string_value(json_object_get(json, key));
	char *copy = text ? strdup(text) : NULL;

	json_decref(json);
	return copy;
}

void client_submit(struct client *client, const char *body, struct client_job *ret)
{
	ask(client, "/submit", body, 202);
	char *id = text_of(client, "executionId");
	if (id == NULL)
		errx(1, "no executionId: %.500s", client->answer);
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	free(id);
}

/* Finished it must be completed, with the verdict accepted. */
static bool is_finished(struct client *client, const struct client_job *job)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "/status?id=%s&wait=30", job->id);
	ask(client, path, NULL, 200);
	char *status = text_of(client, "status");
	bool is_open = status != NULL && (strcmp(status, "queued") == 0 || strcmp(status, "running") == 0);
	if (!is_open && (status == NULL || strcmp(status, "completed") != 0))
		errx(1, "a job that should be completed: %.500s", client->answer);
	free(status);
	return !is_open;
}

void client_wait(struct client *client, const struct client_job *job)
{
	while (!is_finished(client, job))
		;
}

double client_metric(struct client *client, const char *metric)
{
	ask(client, "/metrics", NULL, 200);
	size_t size = strlen(metric);
	for (const char *line = client->answer; line != NULL; line = strchr(line, '\n'), line += line != NULL)
		if (strncmp(line, metric, size) == 0 && line[size] == ' ')
			return strtod(line + size, NULL);
	errx(1, "no metric %s", metric);
}
