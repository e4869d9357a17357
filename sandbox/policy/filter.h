/* filter.h: seccomp profiles in the OCI (Docker, Podman) format, compiled to BPF.
 *
 * Written here and not with libseccomp's rule API, which has no order among the rules of one call ("these ioctls,
 * every other one ENOTTY" cannot be said) and drops conflicting rules silently; libseccomp gives names and numbers.
 *
 * Semantics of a profile: the entries of one system call are tried in the order of the file, the first whose
 * arguments match decides; no match: defaultAction. As in runc: the conditions of one entry must all hold, except that
 * several on the same argument are alternatives (an entry that has both is refused: runtimes differ); names unknown
 * to libseccomp are skipped; with a defaultAction of ERRNO, numbers that libseccomp does not know get ENOSYS so that
 * libc's probes degrade. Arguments are compared as 64-bit numbers; the kernel reads only 32 bits of many, so an entry
 * that *denies* needs a MASKED_EQ with 0xffffffff to be strict.
 *
 * Differences, for strictness: KILL*, TRAP and TRACE become SECCOMP_RET_USER_NOTIF, so that the cell's init can end
 * the run and name the call (a target cannot catch it, and the evidence cannot be forged); a foreign architecture
 * (int 0x80, x32) always does. SCMP_ACT_NOTIFY is refused. Docker's includes and excludes are decided for a cell: no
 * capability, amd64, the running kernel. */
#pragma once

#include "sandbox/base/error.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers at and above it are unknown to every libseccomp (its highest is below 600). */
enum { FILTER_NUMBERS = 1024 };

/* A set of system calls. */
struct filter_calls {
	uint64_t bits[FILTER_NUMBERS / 64];
};

void filter_calls_add(struct filter_calls *calls, const struct filter_calls *more);
bool filter_calls_hold(const struct filter_calls *calls, uint32_t nr);

struct filter_program {
	struct sock_filter *insns; /* owned */
	unsigned short len;
	struct filter_calls passed; /* that it lets through, some arguments at least */
};

/* Parses and compiles the profile in JSON_TEXT. WHERE ("seccomp/native.json") starts every message. 0, -EINVAL
 * (message: file, key, reason), -E2BIG (more than BOUND_FILTER_LEN instructions), -ENOMEM. */
int filter_compile(const char *where, const char *json_text, size_t size, struct filter_program *ret,
	struct sandbox_error *err);

/* The same for a process that starts others which put on filters of their own: what it has on lies under theirs for ever.
 * ABOVE: what those let through; it passes here, whatever the profile says and whatever its arguments. A call that is denied
 * must be denied with a kill action: that is SECCOMP_RET_USER_NOTIF here too, and with no listener it fails with ENOSYS and
 * stands below every answer of the filters above (seccomp(2): the first-seen value of highest precedence counts, the
 * newest filter is run first), so it is still they who refuse and name a call. An errno would stand above theirs. */
int filter_compile_under(const char *where, const char *json_text, size_t size,
	const struct filter_calls *above, struct filter_program *ret, struct sandbox_error *err);

void filter_free(struct filter_program *program);

/* What the program answers to one call: a SECCOMP_RET_* value with its data. An interpreter for tests and `check`;
 * covers the instructions that filter_compile emits and asserts on others. */
struct seccomp_data;
uint32_t filter_evaluate(const struct filter_program *program, const struct seccomp_data *data);

/* The same. *RET_LOOKED: the arguments that were looked at on the way (bit I: argument I). */
uint32_t filter_explain(
	const struct filter_program *program, const struct seccomp_data *data, unsigned *ret_looked);

/* The name of a call for people: "mount"; "i386:21" for the 32-bit table, "x32:165" for the x32 range, "#999" for an
 * unknown number. BUF of SIZE bytes, cut if it must be. */
void filter_syscall_name(uint32_t arch, int nr, char *buf, size_t size);
