/* yaml.h: a YAML document as a JSON value, for documents that tests read. */
#pragma once

#include <jansson.h>

/* The one document in PATH; plain scalars become null, booleans and numbers as in YAML's core schema, quoted ones stay
 * strings. Owned by the caller; a broken file fails the running test. */
json_t *yaml_load(const char *path);
