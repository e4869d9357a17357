#include "tests/lib/yaml.h"

#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

static json_t *plain(const char *text)
{
	char *end;

	if (strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || *text == '\0')
		return json_null();
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(*text == 't');
	long long integer = strtoll(text, &end, 10);
	if (*end == '\0')
		return json_integer(integer);
	double real = strtod(text, &end);
	if (*end == '\0' && strspn(text, "+-.0123456789") > 0)
		return json_real(real);
	return json_string(text);
}

static json_t *convert(yaml_document_t *document, yaml_node_t *node)
{
	json_t *value = NULL;

	if (node->type == YAML_SCALAR_NODE) {
		const char *text = (const char *)node->data.scalar.value;
		return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain(text) : json_string(text);
	}
	if (node->type == YAML_SEQUENCE_NODE) {
		value = json_array();
		yaml_node_item_t *item = node->data.sequence.items.start;
		for (; item < node->data.sequence.items.top; item++)
			json_array_append_new(
				value, convert(document, yaml_document_get_node(document, *item)));
		return value;
	}
	value = json_object();
	yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	for (; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(document, pair->key);
		ck_assert_int_eq(key->type, YAML_SCALAR_NODE);
		const char *name = (const char *)key->data.scalar.value;
		ck_assert_msg(json_object_get(value, name) == NULL, "key %s twice (line %zu)", name,
			key->start_mark.line + 1);
		json_object_set_new(
			value, name, convert(document, yaml_document_get_node(document, pair->value)));
	}
	return value;
}

json_t *yaml_load(const char *path)
{
	yaml_document_t document;
	yaml_parser_t parser;
	FILE *file = fopen(path, "re");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(yaml_parser_initialize(&parser), 1);
	yaml_parser_set_input_file(&parser, file);
	ck_assert_msg(yaml_parser_load(&parser, &document) == 1, "%s:%zu: %s", path,
		parser.problem_mark.line + 1, parser.problem ? parser.problem : "?");
	yaml_node_t *root = yaml_document_get_root_node(&document);
	ck_assert_msg(root != NULL, "%s is empty", path);
	json_t *value = convert(&document, root);
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	(void)fclose(file);
	return value;
}
