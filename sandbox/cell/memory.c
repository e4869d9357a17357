/* memory.c: what could be written does not become code.
 *
 * A fault in a native program is most easily exploited by writing instructions into memory and jumping there. Jobs are
 * hostile anyway, but their programs also read hostile input, and no compiled language here makes code while it runs. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>

/* What newer headers have. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define JUMP(op, value, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no)

/* The kernel reads 32 bits of all of these arguments. Stricter than MDWE in that memory that was executable before cannot be
 * made so again; weaker in that it does not see what exec itself maps. */
static int filter_memory(void)
{
	static const struct sock_filter insns[] = {
		LOAD(arch),
		JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 0, 12), /* to "allow": foreign ones are the next program's */
		LOAD(nr),
		JUMP(BPF_JEQ, SYS_mmap, 3, 0),
		JUMP(BPF_JEQ, SYS_mprotect, 5, 0),
		JUMP(BPF_JEQ, SYS_pkey_mprotect, 4, 0),
		JUMP(BPF_JEQ, SYS_shmat, 5, 7),
		/* mmap: both at once */
		LOAD(args[2]),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
		JUMP(BPF_JEQ, PROT_WRITE | PROT_EXEC, 5, 4),
		/* mprotect, pkey_mprotect */
		LOAD(args[2]),
		JUMP(BPF_JSET, PROT_EXEC, 3, 2),
		/* shmat */
		LOAD(args[2]),
		JUMP(BPF_JSET, SHM_EXEC, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | EACCES),
	};
	const struct sock_fprog program = {
		.len = ARRAY_SIZE(insns),
		.filter = (struct sock_filter *)(uintptr_t)insns,
	};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int memory_seal(bool has_mdwe)
{
	return has_mdwe ? prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) : filter_memory();
}
