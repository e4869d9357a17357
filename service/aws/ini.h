/* ini.h: the shared files of AWS's tools: "[section]" and "key = value". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The value of KEY in SECTION of TEXT into BUF[SIZE]; of several the last one counts. False: there is none, or it does not
 * fit. Lines that are indented belong to the key before, and are left out; '#' and ';' begin a comment. */
bool aws_ini_get(const char *text, const char *section, const char *key, char *buf, size_t size);
