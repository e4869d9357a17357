/* credentials_local.c: keys in the environment and in the shared files. */
#include "sandbox/base/fd.h"
#include "service/aws/credentials.h"
#include "service/aws/ini.h"
#include "service/aws/secret.h"

#include <string.h>

enum { FILE_MAX = 1 << 20 };

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static int copy(const char *from, char *to, size_t size, const char *what, struct sandbox_error *err)
{
	if (strlen(from) >= size)
		return error_set(err, EINVAL, "aws.credentials", "%s is too long", what);
	(void)snprintf(to, size, "%s", from);
	return 0;
}

int aws_credentials_environment(struct aws_credentials *ret, struct sandbox_error *err)
{
	const char *key = variable("AWS_ACCESS_KEY_ID"), *secret = variable("AWS_SECRET_ACCESS_KEY");
	const char *token = variable("AWS_SESSION_TOKEN");

	if (key == NULL || secret == NULL)
		return AWS_NOT_HERE;
	int r = copy(key, ret->access_key, sizeof(ret->access_key), "AWS_ACCESS_KEY_ID", err);
	if (r == 0)
		r = copy(secret, ret->secret, sizeof(ret->secret), "AWS_SECRET_ACCESS_KEY", err);
	if (r == 0 && token != NULL)
		r = copy(token, ret->token, sizeof(ret->token), "AWS_SESSION_TOKEN", err);
	return r;
}

/* The file that VARIABLE names, or ~/.aws/NAME. NULL: it cannot be read. Owned (aws_secret_free). */
static char *read_shared(const char *variable_name, const char *name)
{
	_cleanup_free_ char *standard = NULL;
	const char *path = variable(variable_name);
	const char *home = variable("HOME");
	char *text = NULL;

	if (path == NULL && home != NULL && asprintf(&standard, "%s/.aws/%s", home, name) < 0)
		standard = NULL;
	if (path == NULL)
		path = standard;
	if (path == NULL)
		return NULL;
	return aws_secret_read(path, FILE_MAX, &text) == 0 ? text : NULL;
}

/* "profile NAME" in the configuration, but for the default one; NAME alone in the credentials. */
static void section_name(bool is_config, char *buf, size_t size)
{
	const char *profile = variable("AWS_PROFILE");

	if (profile == NULL)
		profile = "default";
	bool is_plain = !is_config || strcmp(profile, "default") == 0;
	(void)snprintf(buf, size, "%s%s", is_plain ? "" : "profile ", profile);
}

bool aws_profile_get(const char *key, char *buf, size_t size)
{
	char section[256];
	_cleanup_secret_ char *text = read_shared("AWS_CONFIG_FILE", "config");

	section_name(true, section, sizeof(section));
	return text != NULL && aws_ini_get(text, section, key, buf, size);
}

static bool take_keys(const char *text, const char *section, struct aws_credentials *ret)
{
	if (!aws_ini_get(text, section, "aws_access_key_id", ret->access_key, sizeof(ret->access_key)) ||
		!aws_ini_get(text, section, "aws_secret_access_key", ret->secret, sizeof(ret->secret)))
		return false;
	(void)aws_ini_get(text, section, "aws_session_token", ret->token, sizeof(ret->token));
	return true;
}

int aws_credentials_profile(struct aws_credentials *ret, struct sandbox_error *err)
{
	static const struct {
		const char *variable, *name;
		bool is_config;
	} files[] = {
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", false}, {"AWS_CONFIG_FILE", "config", true}};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char section[256];
		_cleanup_secret_ char *text = read_shared(files[i].variable, files[i].name);
		section_name(files[i].is_config, section, sizeof(section));
		if (text != NULL && take_keys(text, section, ret))
			return 0;
	}
	if (variable("AWS_PROFILE") != NULL)
		return error_set(err, EACCES, "aws.credentials", "the profile %.100s has no keys",
			variable("AWS_PROFILE"));
	return AWS_NOT_HERE;
}
