/* log.h: one JSON line per event on standard error. For programs (supervisor, service); libraries never log.
 *
 *   log_event(LOG_INFO, "job.finished", "s:id", id, "s:verdict", verdict, "u:wall_usec", usec, NULL);
 *
 * → {"time":"2026-11-24T10:00:00.123Z","level":"info","event":"job.finished","id":"…","verdict":"…","wall_usec":12} */
#pragma once

#include "sandbox/base/error.h"

#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Pairs of "type:key" and value, ended by NULL. Types: s = const char * (NULL prints null; escaped, invalid UTF-8
 * replaced, cut at 256 bytes), u = uint64_t, i = int64_t, e = const struct sandbox_error * (an object). One write(2)
 * per line, so lines of several processes do not mix. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));
void log_set_level(enum log_level level);
/* "debug", "info", "warn" or "error". 0, or -EINVAL with ERR when NAME is none of them. */
int log_set_level_name(const char *name, struct sandbox_error *err);
