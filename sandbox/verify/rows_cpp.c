/* rows_cpp.c: C++ sources that attack the compiler, and what it makes of them. */
#include "sandbox/verify/sources.h"

#include "sandbox/base/fd.h"

/* Compiling has the policy's limits but for these. */
#define LEAN_FOR(sec)                                                                                        \
	{                                                                                                    \
		.cpu_usec = (sec)*UINT64_C(1000000), .wall_usec = (sec)*UINT64_C(4000000),                   \
		.memory_bytes = 256 << 20, .output_bytes = 256 << 10                                         \
	}
#define LEAN LEAN_FOR(3)

/* A row of one file. LIMITS: a struct sandbox_limits in braces; what follows are fields of struct source. */
#define CPP(row, what, from, text, lim, ...)                                                                 \
	{                                                                                                    \
		.number = (row), .name = (what), .origin = (from), .kinds = SITE_COMPILE, .policy = "cpp",   \
		.limits = lim, .perform = source_perform, .data = &(const struct source)                     \
		{                                                                                            \
			.files = {{"main.cpp", text, NULL}}, __VA_ARGS__                                     \
		}                                                                                            \
	}
/* A row of several files, given as initialisers. */
#define CPP_FILES(row, what, from, list, ...)                                                                \
	{                                                                                                    \
		.number = (row), .name = (what), .origin = (from), .kinds = SITE_COMPILE, .policy = "cpp",   \
		.perform = source_perform, .data = &(const struct source)                                    \
		{                                                                                            \
			.files = list, __VA_ARGS__                                                           \
		}                                                                                            \
	}
#define LIST(...)                                                                                            \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define MAIN "\nint main() { return 0; }\n"
#define HELLO "#include <cstdio>\nint main() { std::puts(\"hello\"); }\n"
#define NONE                                                                                                 \
	{                                                                                                    \
	}

static const struct corpus_row rows[] = {
	/* 65: reading what is not the source's. */
	CPP(65, "#include of a file of the host", "secrets in diagnostics", "#include \"{canary}\"" MAIN,
		NONE, .ends = SOURCE_FAILS, .message = "No such file"),
	CPP(65, "#include of /etc/shadow", "secrets in diagnostics", "#include \"/etc/shadow\"" MAIN, NONE,
		.ends = SOURCE_FAILS, .message = "No such file"),
	CPP(65, "the compiler's environment inside the product", "secrets in the environment",
		"#include \"/proc/self/environ\"\nasm(\".data\\n.incbin \\\"/proc/self/environ\\\"\");" MAIN,
		NONE, .ends = SOURCE_PASSES),
	CPP(65, "#include of init's environment", "secrets of a helper", "#include \"/proc/1/environ\"" MAIN,
		NONE, .ends = SOURCE_FAILS, .message = "No such file"),
	CPP(65, ".incbin of a file of the host", "the assembler reads files, too",
		"asm(\".incbin \\\"{canary}\\\"\");" MAIN, NONE, .ends = SOURCE_FAILS,
		.message = "file not found"),
	CPP(65, ".include in assembly", "the assembler reads files, too",
		"asm(\".include \\\"{canary}\\\"\");" MAIN, NONE, .ends = SOURCE_FAILS,
		.message = "can't open"),
	CPP(65, "__has_include asks for a file of the host", "an oracle of what exists",
		"#if __has_include(\"{canary}\")\n#error BREACH it is seen\n#endif" MAIN, NONE,
		.ends = SOURCE_PASSES),
	CPP(65, "#pragma GCC dependency on a file of the host", "an oracle of what exists",
		"#pragma GCC dependency \"{canary}\"" MAIN, NONE, .ends = SOURCE_FAILS,
		.message = "No such file"),
	CPP(65, "a precompiled header by pragma", "GCC's own pragma loads any file",
		"#pragma GCC pch_preprocess \"/etc/passwd\"" MAIN, NONE, .ends = SOURCE_FAILS,
		.message = "-fpreprocessed"),
	CPP(65, "libraries named in a section", "a linker that obeys the object: .deplibs",
		"asm(\".section .deplibs,\\\"MS\\\",@llvm_dependent_libraries,1\\n"
		".asciz \\\"{canary}\\\"\\n.text\");\n" HELLO,
		NONE, .ends = SOURCE_PASSES, .output = "hello\n"),
	CPP(65, "#embed of a file of the host", "C23", "const char x[] = {\n#embed \"{canary}\"\n};" MAIN,
		NONE, .ends = SOURCE_FAILS, .message = "embed"),
	CPP_FILES(65, "an upload that is a linker script", "INPUT(/etc/shadow)",
		LIST({"main.cpp", HELLO, NULL}, {"script.cpp", "INPUT({canary})\n", NULL}),
		.ends = SOURCE_FAILS, .message = "INPUT"),

	/* 66: files without an end. */
	CPP(66, "#include of /dev/zero", "a file without an end", "#include \"/dev/zero\"" MAIN, LEAN,
		.ends = SOURCE_LIMIT | SOURCE_FAILS),
	CPP(66, "#include of /dev/urandom", "a file without an end", "#include \"/dev/urandom\"" MAIN, LEAN,
		.ends = SOURCE_LIMIT | SOURCE_FAILS),
	CPP(66, "#include of standard input", "waiting for ever", "#include \"/dev/stdin\"\n", NONE,
		.ends = SOURCE_FAILS, .message = "main"),
	CPP(66, ".incbin of /dev/zero", "a file without an end", "asm(\".incbin \\\"/dev/zero\\\"\");" MAIN,
		LEAN, .ends = SOURCE_LIMIT | SOURCE_FAILS, .message = "/dev/zero"),
	CPP(66, "#include of the compiler's own memory", "/proc/self/mem: of size 0, hence empty",
		"#include \"/proc/self/mem\"" MAIN, LEAN_FOR(30), .ends = SOURCE_PASSES),

	/* 67: work without an end. */
	CPP(67, "a file that includes itself", "an include bomb", "#include __FILE__\n#include __FILE__\n",
		LEAN, .ends = SOURCE_LIMIT | SOURCE_FAILS),
	CPP(67, "templates without end", "recursion",
		"template <int N> struct T { static const int v = T<N + 1>::v; };\nint x = T<0>::v;" MAIN,
		LEAN, .ends = SOURCE_FAILS, .message = "template instantiation depth"),
	CPP(67, "templates that double", "2^28 instantiations",
		"template <int D, int I> struct T { static const long v = T<D - 1, 2 * I>::v + T<D - 1, 2 * "
		"I "
		"+ 1>::v; };\n"
		"template <int I> struct T<0, I> { static const long v = I; };\nlong x = T<28, 0>::v;" MAIN,
		LEAN, .ends = SOURCE_LIMIT),
	CPP(67, "a macro of 2^30 tokens", "a billion laughs",
		"#define A x x x x x x x x\n#define B A A A A A A A A\n#define C B B B B B B B B\n"
		"#define D C C C C C C C C\n#define E D D D D D D D D\n#define F E E E E E E E E\n"
		"#define G F F F F F F F F\n#define H G G G G G G G G\n#define I H H H H H H H H\n"
		"#define J I I I I I I I I\nint f() { return J; }" MAIN,
		LEAN, .ends = SOURCE_LIMIT),
	CPP(67, "a loop in a constant expression", "constexpr",
		"constexpr long f() { long n = 0; for (;;) n++; return n; }\nconstexpr long x = f();" MAIN,
		LEAN, .ends = SOURCE_LIMIT | SOURCE_FAILS, .message = "constexpr"),
	CPP(67, "a loop in the assembler", ".rept in .rept",
		"asm(\".rept 0x7fffffff\\n.rept 0x7fffffff\\n"
		"nop\\n.endr\\n.endr\");" MAIN,
		LEAN, .ends = SOURCE_LIMIT | SOURCE_FAILS, .message = "out of memory"),

	/* 68: products without an end. */
	CPP(68, "a gigabyte of initialised data", "a huge object", "char a[1 << 30] = {1};" MAIN, LEAN,
		.ends = SOURCE_LIMIT | SOURCE_FAILS, .message = "File size limit exceeded"),
	CPP(68, "a gigabyte by .fill", "a huge object", "asm(\".data\\n.fill 0x40000000, 1, 1\");" MAIN, LEAN,
		.ends = SOURCE_LIMIT | SOURCE_FAILS, .message = "File size limit exceeded"),
	CPP(68, "a gigabyte by .org", "a huge object", "asm(\".data\\n.org 0x40000000\\n.byte 1\");" MAIN,
		LEAN, .ends = SOURCE_LIMIT | SOURCE_FAILS, .message = "File size limit exceeded"),

	/* 69: words without an end. */
	CPP(69, "more diagnostics than anyone reads", "10^6 diagnostics",
		"#define E(n) int n = \"a\" + nothing_of_that_name + n##n##n##n;\n"
		"#define T(n) E(n##0) E(n##1) E(n##2) E(n##3) E(n##4) E(n##5) E(n##6) E(n##7) E(n##8) "
		"E(n##9)\n"
		"#define H(n) T(n##0) T(n##1) T(n##2) T(n##3) T(n##4) T(n##5) T(n##6) T(n##7) T(n##8) "
		"T(n##9)\n"
		"H(a) H(b) H(c) H(d) H(e) H(f) H(g) H(h)" MAIN,
		LEAN_FOR(30), .ends = 1U << SANDBOX_OUTPUT_LIMIT),
	CPP(69, "a diagnostic that is one long line", "1 GiB in one #error",
		"#define A \"xxxxxxxxxxxxxxxx\" \"xxxxxxxxxxxxxxxx\"\n#define B A A A A A A A A\n#define C B "
		"B B B B B "
		"B B\n#define D C C C C C C C C\nstatic_assert(false, D D D D D D D D D D D D D D D D D D D "
		"D D D D "
		"D);" MAIN,
		LEAN, .ends = SOURCE_LIMIT | SOURCE_FAILS),

	/* 70: another program in the place of the compiler's parts. */
	CPP_FILES(70, "uploads named like parts of the compiler", "COMPILER_PATH, -B, the working directory",
		LIST({"main.cpp", HELLO, NULL}, {"cc1plus", NULL, "impostor", true},
			{"as", NULL, "impostor", true}, {"collect2", NULL, "impostor", true},
			{"ld", NULL, "impostor", true}, {"mold", NULL, "impostor", true}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	CPP_FILES(70, "an upload named specs, and other settings", "-specs and response files",
		LIST({"main.cpp", HELLO, NULL}, {"specs", "*cc1plus:\n/box/evil\n", NULL},
			{"liblto_plugin.so", NULL, "impostor", true}, {"a.gch", "BREACH", NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	CPP(70, "options in the source", "#pragma and attributes that load plugins",
		"#pragma GCC plugin \"/box/evil.so\"\n#pragma GCC optimize "
		"(\"-fplugin=/box/evil.so\")\n" HELLO,
		NONE, .ends = SOURCE_PASSES, .output = "hello\n"),

	/* 71: first the compiler, then the run. */
	CPP(71, "a program that is set up to gain by being run", "RPATH $ORIGIN, another loader, set-id",
		"#include <cstdio>\n#include <unistd.h>\n#include <sys/prctl.h>\n"
		"__attribute__((section(\".interp_of_mine\"))) const char path[] = \"/box/ld.so\";\n"
		"__attribute__((constructor)) void early() { std::puts(\"early\"); }\n"
		"int main() { std::printf(\"%d %d %d %d\\n\", getuid(), geteuid(), "
		"prctl(PR_GET_NO_NEW_PRIVS, 0, "
		"0, 0, 0), access(\"/usr/bin/g++\", F_OK)); }\n",
		NONE, .ends = SOURCE_PASSES, .output = "early\n1000 1000 1 -1\n"),
	CPP(71, "a program that writes itself anew", "no trust in what was compiled",
		"#include <cstdio>\n#include <fcntl.h>\n#include <cerrno>\n"
		"int main() { int fd = open(\"/proc/self/exe\", O_WRONLY); std::printf(\"%d\\n\", fd < 0 ? "
		"errno : 0); "
		"}\n",
		NONE, .ends = SOURCE_PASSES, .output = "26\n"),

	/* 77 and 78: caches and libraries of the last job, or of one's own. */
	CPP_FILES(77, "a precompiled header of one's own", "a poisoned PCH",
		LIST({"main.cpp", "#include \"bits/stdc++.h\"\nint main() { std::cout << \"hello\\n\"; }\n",
			     NULL},
			{"bits/stdc++.h.gch", "gpch.014 poison", NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	CPP_FILES(78, "libraries and preload lists in the upload", "LD_PRELOAD, LD_AUDIT, ld.so.preload",
		LIST({"main.cpp", HELLO, NULL}, {"libc.so.6", NULL, "impostor", true},
			{"libstdc++.so.6", NULL, "impostor", true},
			{"ld.so.preload", "/box/libc.so.6\n", NULL},
			{"etc/ld.so.preload", "/box/libc.so.6\n", NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
};

const struct corpus_part corpus_cpp = {rows, ARRAY_SIZE(rows), false};
