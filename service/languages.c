#include "service/languages.h"

#include "sandbox/base/fd.h"

struct languages {
	struct policy_set *set; /* owned: languages and commands */
	size_t count;
	const struct policy *list[BOUND_POLICIES]; /* the languages among them, borrowed */
};

int languages_open(const char *policies_dir, struct languages **ret, struct sandbox_error *err)
{
	struct languages *languages = calloc(1, sizeof(*languages));
	if (languages == NULL)
		return error_set(err, ENOMEM, "languages", "no memory");
	int r = policy_set_load(policies_dir, NULL, &languages->set, err);
	for (size_t i = 0; r == 0 && i < languages->set->npolicies; i++)
		if (languages->set->policies[i]->kind == POLICY_LANGUAGE)
			languages->list[languages->count++] = languages->set->policies[i];
	if (r == 0 && languages->count == 0)
		r = error_set(err, ENOENT, "languages", "%s holds no language", policies_dir);
	if (r < 0) {
		(void)languages_close(languages);
		return r;
	}
	*ret = languages;
	return 0;
}

struct languages *languages_close(struct languages *languages)
{
	if (languages == NULL)
		return NULL;
	(void)policy_set_free(languages->set);
	free(languages);
	return NULL;
}

const struct policy *languages_find(const struct languages *languages, const char *name)
{
	/* No name or alias is given twice, not even across kinds. */
	const struct policy *policy = policy_find(languages->set, name);

	return policy != NULL && policy->kind == POLICY_LANGUAGE ? policy : NULL;
}

size_t languages_count(const struct languages *languages)
{
	return languages->count;
}

const struct policy *languages_at(const struct languages *languages, size_t index)
{
	return languages->list[index];
}

/* --- JSON ----------------------------------------------------------------------------------------------------- */

static json_t *aliases_json(const struct policy *policy)
{
	json_t *aliases = json_array();
	int r = 0;

	for (size_t i = 0; policy->aliases[i] != NULL; i++)
		r |= json_array_append_new(aliases, json_string(policy->aliases[i]));
	if (r != 0) {
		json_decref(aliases);
		return NULL;
	}
	return aliases;
}

static json_t *limits_json(const struct policy_step *step)
{
	json_t *limits = json_object();
	int r = 0;

	for (unsigned i = 0; i < LIMIT_N; i++) {
		const struct limit_range *range = &step->limits[i];
		r |= json_object_set_new(limits, limit_infos[i].key,
			json_pack("{s:I, s:I}", "default", (json_int_t)range->standard, "maximum",
				(json_int_t)range->maximum));
	}
	if (r != 0) {
		json_decref(limits);
		return NULL;
	}
	return limits;
}

static json_t *language_json(const struct policy *policy)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:o}", "id", policy->name, "name", policy->title,
		"version", policy->version, "aliases", aliases_json(policy), "fileName", policy->file_name,
		"isCompiled", policy->steps[SANDBOX_COMPILE].is_present, "limits",
		limits_json(&policy->steps[SANDBOX_RUN]));
}

json_t *languages_json(const struct languages *languages)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < languages->count; i++)
		r |= json_array_append_new(list, language_json(languages->list[i]));
	if (r != 0) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:o}", "languages", list);
}

json_t *languages_ids(const struct languages *languages)
{
	json_t *ids = json_array();
	int r = 0;

	for (size_t i = 0; i < languages->count; i++)
		r |= json_array_append_new(ids, json_string(languages->list[i]->name));
	if (r != 0) {
		json_decref(ids);
		return NULL;
	}
	return ids;
}
