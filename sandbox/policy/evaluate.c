/* evaluate.c: what a filter answers, without a kernel; and names for people. */
#include "sandbox/policy/filter.h"
#include "sandbox/policy/profile.h"

#include <assert.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The 32-bit word of DATA at OFFSET, as the kernel's BPF_LD | BPF_W | BPF_ABS of seccomp. */
static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	assert(offset % sizeof(word) == 0 && offset + sizeof(word) <= sizeof(*data));
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

/* Does the conditional jump CODE hold for the accumulator? */
static bool holds(uint16_t code, uint32_t accumulator, uint32_t k)
{
	switch (code) {
	case BPF_JMP | BPF_JEQ | BPF_K:
		return accumulator == k;
	case BPF_JMP | BPF_JGT | BPF_K:
		return accumulator > k;
	case BPF_JMP | BPF_JGE | BPF_K:
		return accumulator >= k;
	}
	assert(!"an instruction that filter_compile does not emit");
	abort();
}

uint32_t filter_explain(
	const struct filter_program *program, const struct seccomp_data *data, unsigned *ret_looked)
{
	const uint32_t first_argument = offsetof(struct seccomp_data, args);
	uint32_t accumulator = 0;

	*ret_looked = 0;

	for (size_t pc = 0; pc < program->len; pc++) {
		const struct sock_filter *insn = &program->insns[pc];
		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			accumulator = load(data, insn->k);
			if (insn->k >= first_argument)
				*ret_looked |= 1u << (insn->k - first_argument) / sizeof(uint64_t);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			accumulator &= insn->k;
			break;
		case BPF_RET | BPF_K:
			return insn->k;
		case BPF_JMP | BPF_JA:
			pc += insn->k;
			break;
		default:
			pc += holds(insn->code, accumulator, insn->k) ? insn->jt : insn->jf;
		}
	}
	assert(!"a program that does not end with a return");
	abort();
}

uint32_t filter_evaluate(const struct filter_program *program, const struct seccomp_data *data)
{
	unsigned looked;

	return filter_explain(program, data, &looked);
}

void filter_syscall_name(uint32_t arch, int nr, char *buf, size_t size)
{
	uint32_t number = (uint32_t)nr;

	if (arch == AUDIT_ARCH_I386) {
		(void)snprintf(buf, size, "i386:%u", number);
	} else if (arch != FILTER_ARCH) {
		(void)snprintf(buf, size, "arch %#x:%u", arch, number);
	} else if (number >= FILTER_X32_BIT) {
		(void)snprintf(buf, size, "x32:%u", number & ~FILTER_X32_BIT);
	} else {
		char *name = seccomp_syscall_resolve_num_arch(FILTER_ARCH_SCMP, nr);
		if (name != NULL)
			(void)snprintf(buf, size, "%s", name);
		else
			(void)snprintf(buf, size, "#%u", number);
		free(name);
	}
}
