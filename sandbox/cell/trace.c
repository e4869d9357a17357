/* trace.c: init's part of a traced run: calls that the profile refuses are noted, and made.
 *
 * The job's seccomp program asks us wherever the profile refuses (tracing_rewrite), and SECCOMP_USER_NOTIF_FLAG_CONTINUE
 * lets the call go on. seccomp(2): of all programs on a process the answer that stands highest counts, and of equal ones
 * the newest program's. Below the job's program lie
 * - the launcher's, which denies with USER_NOTIF as well: it is older, so ours is the one that is asked. A call that goes
 *   on is not shown to any program again (Linux 5.5, kernel/seccomp.c: seccomp_do_user_notification): the launcher's
 *   denial is passed by, and what keeps the worst calls from being made is tracing_never alone;
 * - before Linux 6.3 the memory seal's, which refuses with an errno: that stands above USER_NOTIF, so it holds.
 * All that is not seccomp (namespaces, no capability, no_new_privs, Landlock, mounts, cgroups, rlimits) holds as ever.
 *
 * What is judged, numbers and arguments, are the registers of the held caller, which nothing can change meanwhile; what
 * its pointers lead to, another thread can (seccomp(2): "race"). Hence nothing is allowed here for what it points at. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/tracing.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>

static struct sock_filter insns[BOUND_FILTER_LEN]; /* the profile as it was */
static struct filter_program profile = {.insns = insns};
static int notes_fd = -1; /* -1: no trace */
static struct sandbox_traced notes[BOUND_TRACED];
static size_t nnotes;

void trace_begin(struct cell_layers *layers)
{
	profile.len = layers->program.len;
	memcpy(insns, layers->program.filter, profile.len * sizeof(*insns));
	tracing_rewrite(layers->program.filter, profile.len);
	/* Linux 5.19: a call that was asked about is given up for nothing but a kill. Fallback: a signal interrupts it, and
	 * when it is made anew, it is counted anew. */
	layers->filter_flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

void trace_into(int fd)
{
	notes_fd = fd;
}

bool trace_is_on(void)
{
	return notes_fd >= 0;
}

static bool is_same_call(const struct sandbox_traced *a, const struct sandbox_traced *b)
{
	return a->nr == b->nr && a->arch == b->arch && a->answer == b->answer && a->is_made == b->is_made;
}

static bool is_same_kind(const struct sandbox_traced *a, const struct sandbox_traced *b)
{
	return is_same_call(a, b) && a->is_various == b->is_various &&
	       memcmp(a->args, b->args, sizeof(a->args)) == 0;
}

/* Its note, or where a new one belongs; NULL: there is no room. */
static struct sandbox_traced *find(struct sandbox_traced *wanted)
{
	size_t i, kinds = 0;

	for (i = 0; i < nnotes && !is_same_kind(&notes[i], wanted); i++)
		kinds += is_same_call(&notes[i], wanted);
	if (i == nnotes && kinds >= BOUND_TRACED_KINDS && !wanted->is_various) {
		wanted->is_various = 1;
		wanted->told = 0;
		memset(wanted->args, 0, sizeof(wanted->args));
		return find(wanted);
	}
	return i < BOUND_TRACED ? &notes[i] : NULL;
}

/* The file has the note before the call is answered: whatever ends the run, it stays. */
static int note(struct sandbox_traced *wanted, struct sandbox_error *err)
{
	struct sandbox_traced *at = find(wanted);

	if (at == NULL)
		return error_set(
			err, E2BIG, "cell.trace", "more than %d kinds of refused calls", BOUND_TRACED);
	if (at == notes + nnotes) {
		*at = *wanted;
		nnotes++;
	}
	at->count++;
	if (pwrite(notes_fd, at, sizeof(*at), (char *)at - (char *)notes) != sizeof(*at))
		return error_errno(err, "cell.trace", "note a call");
	return 0;
}

/* The caller may be gone by now (ENOENT): its call did not happen, its note stays. */
static int answer(int listener, uint64_t id, const struct sandbox_traced *call, struct sandbox_error *err)
{
	struct seccomp_notif_resp response = {.id = id};

	if (call->is_made)
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if ((call->answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		response.error = -(int)(call->answer & SECCOMP_RET_DATA);
	else
		response.error = -ENOSYS;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 && errno != ENOENT)
		return error_errno(err, "cell.trace", "answer a call");
	return 0;
}

int trace_answer(int listener, const struct seccomp_notif *notif, struct sandbox_error *err)
{
	const struct seccomp_data *data = &notif->data;
	struct sandbox_traced call = {
		.nr = data->nr, .arch = data->arch, .is_made = tracing_never(data) == NULL};

	call.answer = filter_explain(&profile, data, &call.told);
	if (data->arch == AUDIT_ARCH_X86_64)
		call.told |= tracing_selectors((uint32_t)data->nr);
	for (size_t i = 0; i < ARRAY_SIZE(call.args); i++)
		call.args[i] = (call.told >> i & 1) != 0 ? data->args[i] : 0;
	int r = note(&call, err);
	return r == 0 ? answer(listener, notif->id, &call, err) : r;
}
