#include "sandbox/verify/corpus.h"

#include "sandbox/base/fd.h"
#include "sandbox/verify/exchange.h"
#include "sandbox/verify/sources.h"

#include <stdio.h>
#include <string.h>

static const struct corpus_part *const parts[] = {&corpus_calls, &corpus_files, &corpus_processes,
	&corpus_limits, &corpus_exchange, &corpus_peers, &corpus_host, &corpus_cpp, &corpus_go};

const struct corpus_row *corpus_row(size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (index < parts[i]->n)
			return &parts[i]->rows[index];
		index -= parts[i]->n;
	}
	return NULL;
}

static bool is_suitable(const struct corpus_row *row, const struct site *site)
{
	if ((row->kinds & site->kind) == 0)
		return false;
	if (row->policy != NULL && site_policy(site, row->policy) == NULL)
		return false;
	if ((row->needs & CORPUS_SEALED) != 0 && site->body->can_make_memory_executable)
		return false;
	return (row->needs & CORPUS_WRITABLE) == 0 || site->body->writable[0] != NULL;
}

static bool is_per_profile(const struct corpus_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (row >= parts[i]->rows && row < parts[i]->rows + parts[i]->n)
			return parts[i]->is_per_profile;
	return false;
}

static bool same_profile(const struct site *a, const struct site *b)
{
	return a->kind == b->kind && a->body->has_proc == b->body->has_proc &&
	       strcmp(a->body->profile, b->body->profile) == 0;
}

bool corpus_fits(const struct corpus_row *row, const struct site *sites, size_t index)
{
	bool is_once = (row->needs & CORPUS_ONCE) != 0, per_profile = is_per_profile(row);

	if (!is_suitable(row, &sites[index]))
		return false;
	for (size_t i = 0; i < index; i++)
		if (is_suitable(row, &sites[i]) &&
			(is_once || (per_profile && same_profile(&sites[i], &sites[index]))))
			return false;
	return true;
}

void corpus_expected(const struct corpus_row *row, char *buf, size_t size)
{
	size_t used;

	if (row->expected != NULL) {
		(void)snprintf(buf, size, "%s", row->expected);
		return;
	}
	if (row->perform == source_perform) {
		source_expected(row->data, buf, size);
		return;
	}
	if (row->perform == exchange_perform) {
		exchange_expected(row, buf, size);
		return;
	}
	(void)snprintf(buf, size, "%s", sandbox_cause_name(row->cause));
	if (row->cause == SANDBOX_EXITED)
		(void)snprintf(buf, size, "exited 0");
	for (size_t i = 0; i < CORPUS_EVIDENCE && row->evidence[i] != NULL; i++) {
		used = strlen(buf);
		const char *joint = i > 0 ? ", " : row->cause == SANDBOX_EXITED ? ": " : " ";
		(void)snprintf(buf + used, size - used, "%s%s", joint, row->evidence[i]);
	}
}
