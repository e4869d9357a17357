/* rows.h: short forms for the tables of the corpus. */
#pragma once

#include "sandbox/verify/corpus.h"

/* A call of the profiles' kill group: ends the run, named. */
#define TRIPWIRE(row, call, origin)                                                                          \
	{                                                                                                    \
		row, call " ends the run", origin, SITE_ALL, "attack_calls call " call,                      \
			SANDBOX_FORBIDDEN_SYSCALL,                                                           \
		{                                                                                            \
			call                                                                                 \
		}                                                                                            \
	}
/* Calls that are refused with an error. */
#define DENIED(row, what, origin, calls, ...)                                                                \
	{                                                                                                    \
		row, what, origin, SITE_ALL, "attack_calls call " calls, SANDBOX_EXITED,                     \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}
