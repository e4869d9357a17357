/* tracing.h: a seccomp program that asks instead of refusing, for `cofferdam trace`.
 *
 * Pure functions of numbers: no allocation, no system call. A cell's init uses them after clone. */
#pragma once

#include "sandbox/policy/filter.h"

struct seccomp_data;

/* Turns a program of filter_compile into its tracing form: whatever refuses a call, by an errno or by ending the run,
 * becomes SECCOMP_RET_USER_NOTIF. An errno of 0 stays: the caller is told that it was done, and misses nothing. */
void tracing_rewrite(struct sock_filter *insns, size_t len);

/* Why this call is not made even when it is traced; NULL: it is. */
const char *tracing_never(const struct seccomp_data *data);

/* The arguments (bit I: argument I) by which one number is many calls: socket's, ioctl's request. */
unsigned tracing_selectors(uint32_t nr);
