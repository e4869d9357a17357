/* schema.h: does a value have the form that a JSON Schema (2020-12, as in OpenAPI 3.1) demands?
 *
 * The keywords that docs/http-api.yaml uses: $ref, type, enum, const, properties, required, additionalProperties,
 * items, minItems, pattern, minLength, minimum, maximum. Any other one but annotations fails the test: a rule that is
 * not understood must not pass for one that is kept. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What "#/components/schemas/Job" and the like point at in DOCUMENT; follows chains. A dangling one fails the test. */
const json_t *schema_resolve(const json_t *document, const json_t *value);

/* True when VALUE conforms. False: WHY names the place and the rule. */
bool schema_holds(const json_t *document, const json_t *schema, const json_t *value, char *why, size_t size);
