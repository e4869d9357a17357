/* api_info.c: what the service says of itself. */
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/api.h"
#include "service/languages.h"
#include "service/metrics.h"

/* Two places for the base address. No scripts, no styles, nothing loaded: the Content-Security-Policy allows none. */
static const char page[] =
	"<!doctype html>\n"
	"<html lang=\"en\">\n"
	"<head><meta charset=\"utf-8\"><title>Cofferdam</title></head>\n"
	"<body>\n"
	"<h1>Cofferdam</h1>\n"
	"<p>This service compiles and runs code that nobody trusts, each run in a sealed cell of its "
	"own.</p>\n"
	"<h2>Submit a program</h2>\n"
	"<pre>curl -s '%1$s/submit' -H 'Content-Type: application/json' -d '{\n"
	"  \"userId\": \"ann\", \"language\": \"cpp\", \"input\": \"2 3\",\n"
	"  \"code\": \"#include &lt;iostream&gt;\\nint main() { int a, b; std::cin &gt;&gt; a &gt;&gt; b; "
	"std::cout &lt;&lt; a + b &lt;&lt; std::endl; }\"}'</pre>\n"
	"<h2>See what became of it</h2>\n"
	"<pre>curl -s '%1$s/status?id=EXECUTION_ID'\n"
	"curl -s '%1$s/result?id=EXECUTION_ID'</pre>\n"
	"<h2>More</h2>\n"
	"<ul>\n"
	"<li><a href=\"/languages\">/languages</a>: what it speaks</li>\n"
	"<li><a href=\"/health\">/health</a>, <a href=\"/ready\">/ready</a>: is it alive, can it work</li>\n"
	"<li><a href=\"/metrics\">/metrics</a>: figures for Prometheus</li>\n"
	"</ul>\n"
	"</body>\n"
	"</html>\n";

void api_page(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	char base[API_BASE_SIZE];
	_cleanup_free_ char *text = NULL;

	(void)api;
	api_base_url(request, base);
	if (asprintf(&text, page, base) < 0)
		text = NULL;
	http_reply_text(reply, "text/html; charset=utf-8", text);
}

/* The process lives and answers; whether it can work is /ready's business. */
void api_health(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	(void)api;
	(void)request;
	http_reply_json(reply, 200, json_pack("{s:s}", "status", "ok"));
}

void api_languages(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	http_reply_json(reply, 200, languages_json(api->service->languages));
}

void api_metrics(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	struct queue *queue = api->service->queue;
	struct sandbox_error err = {0};
	uint64_t depth = 0;

	(void)request;
	int r = queue->operations->depth(queue, &depth, &err);
	_cleanup_free_ char *text = r == 0 ? metrics_text(api->service->metrics, depth) : NULL;
	if (text != NULL) {
		http_reply_text(reply, "text/plain; version=0.0.4; charset=utf-8", text);
		return;
	}
	struct api_error error;
	log_event(LOG_LEVEL_ERROR, "metrics.failed", "e:error", &err, NULL);
	(void)api_error_set(&error, API_ERROR_UNAVAILABLE, NULL, "the figures cannot be read now");
	http_reply_error(reply, &error);
}
