#include "service/aws/fault.h"

#include "sandbox/base/fd.h"

#include <ctype.h>
#include <string.h>

/* --- XML ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	char is;
} entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''},
	{"&#34;", '"'}, {"&#39;", '\''}, {"&#13;", '\r'}, {"&#xD;", '\r'}, {"&#10;", '\n'}, {"&#xA;", '\n'}};

/* The character at *AT, which moves on. */
static char take_character(const char **at)
{
	for (size_t i = 0; **at == '&' && i < ARRAY_SIZE(entities); i++) {
		size_t length = strlen(entities[i].name);
		if (strncmp(*at, entities[i].name, length) == 0) {
			*at += length;
			return entities[i].is;
		}
	}
	return *(*at)++;
}

/* False: there is no such element. What does not fit is cut. */
static bool xml_text(const char *xml, const char *name, char *buf, size_t size, bool *ret_is_cut)
{
	char open[64];
	size_t n = 0;

	int length = snprintf(open, sizeof(open), "<%s>", name);
	const char *at = length > 0 && (size_t)length < sizeof(open) ? strstr(xml, open) : NULL;
	if (at == NULL)
		return false;
	at += length;
	const char *end = strchr(at, '<');
	if (end == NULL)
		return false;
	while (at < end && n + 1 < size)
		buf[n++] = take_character(&at);
	buf[n] = '\0';
	*ret_is_cut = at < end;
	return true;
}

bool aws_xml_text(const char *xml, const char *name, char *buf, size_t size)
{
	bool is_cut = false;

	return xml_text(xml, name, buf, size, &is_cut) && !is_cut;
}

/* --- the code ------------------------------------------------------------------------------------------------- */

/* "com.amazonaws.sqs#QueueDoesNotExist:http://…" is "QueueDoesNotExist". Nothing but letters, digits, '.' and '_' is taken. */
static void set_code(struct aws_fault *fault, const char *text)
{
	static const struct {
		const char *legacy, *code;
	} legacies[] = {
		{"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"},
		{"AWS.SimpleQueueService.PurgeQueueInProgress", "PurgeQueueInProgress"},
	};
	const char *hash = strrchr(text, '#');
	size_t n = 0;

	text = hash != NULL ? hash + 1 : text;
	while (n < sizeof(fault->code) - 1 &&
		(isalnum((unsigned char)text[n]) || text[n] == '.' || text[n] == '_'))
		n++;
	(void)snprintf(fault->code, sizeof(fault->code), "%.*s", (int)n, text);
	for (size_t i = 0; i < ARRAY_SIZE(legacies); i++)
		if (strcmp(fault->code, legacies[i].legacy) == 0)
			(void)snprintf(fault->code, sizeof(fault->code), "%s", legacies[i].code);
}

/* One line, of printable characters. */
static void set_line(char *to, size_t size, const char *text)
{
	size_t n = 0;

	while (n < size - 1 && text[n] != '\0') {
		to[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? ' ' : text[n];
		n++;
	}
	/* Not within a character. */
	while (n > 0 && text[n] != '\0' && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	to[n] = '\0';
}

/* How much of a message may be told. What does not verify is answered with what it was made of, on further lines of the message or
 * behind one of these words: the signature and the session token are among that. */
static void set_message(struct aws_fault *fault, const char *text)
{
	static const char *const secrets[] = {"signature=", "security-token", "authorization="};
	_cleanup_free_ char *line = strndup(text, strcspn(text, "\r\n"));

	for (size_t i = 0; line != NULL && i < ARRAY_SIZE(secrets); i++) {
		char *secret = strcasestr(line, secrets[i]);
		if (secret != NULL)
			*secret = '\0';
	}
	set_line(fault->message, sizeof(fault->message), line != NULL ? line : "");
}

static void read_json(const char *body, struct aws_fault *ret)
{
	json_t *answer = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(answer, "__type"));
	const char *message = json_string_value(json_object_get(answer, "message"));

	if (message == NULL)
		message = json_string_value(json_object_get(answer, "Message"));
	if (type != NULL)
		set_code(ret, type);
	if (message != NULL)
		set_message(ret, message);
	json_decref(answer);
}

static void read_xml(const char *body, struct aws_fault *ret)
{
	/* Longer than what is told of it, which is then not cut within a character or a word that betrays a secret. */
	char text[2 * AWS_MESSAGE_SIZE] = "";
	bool is_cut;

	if (aws_xml_text(body, "Code", text, sizeof(text)))
		set_code(ret, text);
	if (xml_text(body, "Message", text, sizeof(text), &is_cut))
		set_message(ret, text);
	if (ret->request_id[0] == '\0' &&
		(aws_xml_text(body, "RequestId", text, sizeof(ret->request_id)) ||
			aws_xml_text(body, "RequestID", text, sizeof(ret->request_id))))
		set_line(ret->request_id, sizeof(ret->request_id), text);
}

static void set_code_of_status(unsigned status, struct aws_fault *ret)
{
	switch (status) {
	case 304:
		set_code(ret, "NotModified");
		break;
	case 403:
		set_code(ret, "Forbidden");
		break;
	case 404:
		set_code(ret, "NotFound");
		break;
	case 412:
		set_code(ret, "PreconditionFailed");
		break;
	default:
		(void)snprintf(ret->code, sizeof(ret->code), "Http%u", status);
	}
}

void aws_fault_read(
	unsigned status, const struct aws_fault_headers *headers, const char *body, struct aws_fault *ret)
{
	const char *begin = body != NULL ? body + strspn(body, " \t\r\n") : "";

	ret->status = status;
	ret->code[0] = ret->message[0] = '\0';
	set_line(ret->request_id, sizeof(ret->request_id), headers->request_id);
	if (*begin == '{')
		read_json(begin, ret);
	else if (*begin == '<')
		read_xml(begin, ret);
	if (headers->error_type[0] != '\0' && ret->code[0] == '\0')
		set_code(ret, headers->error_type);
	if (headers->query_error[0] != '\0' && ret->code[0] == '\0')
		set_code(ret, headers->query_error);
	if (ret->code[0] == '\0')
		set_code_of_status(status, ret);
}
