/* Rows 65 to 75: sources that attack the compiler, through the shipped language policies. What a source can reach is
 * the image and the cell; what it can use up is its own limits. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define ANY_LIMIT                                                                                            \
	(1U << SANDBOX_CPU_LIMIT | 1U << SANDBOX_WALL_LIMIT | 1U << SANDBOX_MEMORY_LIMIT |                   \
		1U << SANDBOX_OUTPUT_LIMIT | 1U << SANDBOX_FILE_LIMIT)

enum { PRODUCT_BYTES = 64 << 20 };
enum { FAILS = 1U << SANDBOX_EXITED, PASSES = 1U << SANDBOX_CAUSE_N, SOURCES = 3 };

struct source {
	int row;
	const char *name, *language;
	struct {
		const char *name,
			*text; /* "@" in the text: the path of a file of the host that holds a secret */
	} files[SOURCES];
	unsigned causes;     /* bits of enum sandbox_cause; FAILS: another exit code than 0; PASSES: 0 */
	const char *message; /* on standard error, when it exited */
	struct sandbox_limits limits;
};

#define LEAN                                                                                                 \
	{                                                                                                    \
		.cpu_usec = 3000000, .wall_usec = 12000000, .memory_bytes = 256 << 20,                       \
		.output_bytes = 256 << 10                                                                    \
	}

#define CPP(text)                                                                                            \
	{                                                                                                    \
		{                                                                                            \
			"main.cpp", text                                                                     \
		}                                                                                            \
	}
#define MAIN "\nint main() { return 0; }\n"

static const struct source sources[] = {
	{65, "#include of a file of the host", "cpp", CPP("#include \"@\"" MAIN), FAILS, "No such file", {0}},
	{65, "#include of /etc/shadow", "cpp", CPP("#include \"/etc/shadow\"" MAIN), FAILS, "No such file",
		{0}},
	{65, "the environment inside the product", "cpp",
		CPP("#include \"/proc/self/environ\"\nasm(\".data\\n.incbin "
		    "\\\"/proc/self/environ\\\"\");" MAIN),
		PASSES, NULL, {0}},
	{65, "#include of init's environment", "cpp", CPP("#include \"/proc/1/environ\"" MAIN), FAILS,
		"No such file", {0}},
	{65, ".incbin of a file of the host", "cpp", CPP("asm(\".incbin \\\"@\\\"\");" MAIN), FAILS,
		"file not found", {0}},
	{65, ".include in assembly", "cpp", CPP("asm(\".include \\\"@\\\"\");" MAIN), FAILS, "can't open",
		{0}},
	{66, "#include of /dev/zero", "cpp", CPP("#include \"/dev/zero\"" MAIN), ANY_LIMIT | FAILS, NULL,
		LEAN},
	{66, "#include of /dev/urandom", "cpp", CPP("#include \"/dev/urandom\"" MAIN), ANY_LIMIT | FAILS,
		NULL, LEAN},
	{66, "#include of standard input", "cpp", CPP("#include \"/dev/stdin\"\n"), FAILS, "main", {0}},
	{67, "a file that includes itself", "cpp", CPP("#include __FILE__\n#include __FILE__\n"),
		ANY_LIMIT | FAILS, NULL, LEAN},
	{67, "templates without end", "cpp",
		CPP("template <int N> struct T { static const int v = T<N + 1>::v; };\nint x = "
		    "T<0>::v;" MAIN),
		FAILS, "template instantiation depth", LEAN},
	{67, "templates that double", "cpp",
		CPP("template <int D, int I> struct T { static const long v = T<D - 1, 2 * I>::v + T<D - 1, "
		    "2 * I + 1>::v; };\n"
		    "template <int I> struct T<0, I> { static const long v = I; };\nlong x = T<28, "
		    "0>::v;" MAIN),
		ANY_LIMIT, NULL, LEAN},
	{67, "a macro of 2^30 tokens", "cpp",
		CPP("#define A x x x x x x x x\n#define B A A A A A A A A\n#define C B B B B B B B B\n"
		    "#define D C C C C C C C C\n#define E D D D D D D D D\n#define F E E E E E E E E\n"
		    "#define G F F F F F F F F\n#define H G G G G G G G G\n#define I H H H H H H H H\n"
		    "#define J I I I I I I I I\nint f() { return J; }" MAIN),
		ANY_LIMIT, NULL, LEAN},
	{67, "a loop in a constant expression", "cpp",
		CPP("constexpr long f() { long n = 0; for (;;) n++; return n; }\nconstexpr long x = "
		    "f();" MAIN),
		ANY_LIMIT | FAILS, "constexpr", LEAN},
	{68, "a gigabyte of initialised data", "cpp", CPP("char a[1 << 30] = {1};" MAIN), ANY_LIMIT | FAILS,
		NULL, LEAN},
	{68, "a gigabyte by .fill", "cpp", CPP("asm(\".data\\n.fill 0x40000000, 1, 1\");" MAIN),
		ANY_LIMIT | FAILS, NULL, LEAN},
	{69, "more diagnostics than anyone reads", "cpp",
		CPP("#define E(n) int n = \"a\" + nothing_of_that_name + n##n##n##n;\n"
		    "#define T(n) E(n##0) E(n##1) E(n##2) E(n##3) E(n##4) E(n##5) E(n##6) E(n##7) E(n##8) "
		    "E(n##9)\n"
		    "#define H(n) T(n##0) T(n##1) T(n##2) T(n##3) T(n##4) T(n##5) T(n##6) T(n##7) T(n##8) "
		    "T(n##9)\n"
		    "H(a) H(b) H(c) H(d) H(e) H(f) H(g) H(h)" MAIN),
		1U << SANDBOX_OUTPUT_LIMIT, NULL, LEAN},
	{72, "cgo with flags for the linker (CVE-2023-29404)", "go",
		{{"main.go", "package main\n\n// #cgo LDFLAGS: -Wl,-plugin=/box/evil.so\nimport "
			     "\"C\"\n\nfunc main() {}\n"}},
		FAILS, "build constraints exclude", {0}},
	{73, "go:embed of a file above", "go",
		{{"main.go", "package main\n\nimport _ \"embed\"\n\n//go:embed ../etc/passwd\nvar s "
			     "string\n\nfunc main() { print(s) }\n"}},
		FAILS, "invalid pattern", {0}},
	{73, "go:embed of a file of the host", "go",
		{{"main.go", "package main\n\nimport _ \"embed\"\n\n//go:embed @\nvar s string\n\nfunc "
			     "main() { print(s) }\n"}},
		FAILS, "invalid pattern", {0}},
	{74, "a toolchain to download", "go",
		{{"main.go", "package main\n\nfunc main() {}\n"},
			{"go.mod", "module x\n\ngo 1.99\n\ntoolchain go1.99.1\n"}},
		FAILS, "1.99", {0}},
	{74, "a module to download", "go",
		{{"main.go", "package main\n\nimport _ \"example.com/evil\"\n\nfunc main() {}\n"},
			{"go.mod", "module x\n\ngo 1.21\n\nrequire example.com/evil v1.0.0\n"}},
		FAILS, "example.com/evil", {0}},
	{74, "a module replaced by a directory of the image", "go",
		{{"main.go", "package main\n\nimport _ \"example.com/evil\"\n\nfunc main() {}\n"},
			{"go.mod", "module x\n\ngo 1.21\n\nrequire example.com/evil v1.0.0\n\nreplace "
				   "example.com/evil => /etc\n"}},
		FAILS, "go.mod", {0}},
	{74, "a workspace that reaches out", "go",
		{{"main.go", "package main\n\nimport \"etc\"\n\nfunc main() { etc.X() }\n"},
			{"go.work", "go 1.21\n\nuse /etc\n"}},
		FAILS, "etc", {0}},
};

static const char secret[] = CELL_CANARY_WORDS;

/* TEXT with PATH in the place of its "@". */
static int source_fd(const char *text, const char *path)
{
	const char *at = strchr(text, '@');
	_cleanup_free_ char *full = NULL;

	if (at == NULL)
		return fd_memfd("source", text, strlen(text));
	ck_assert_int_gt(asprintf(&full, "%.*s%s%s", (int)(at - text), text, path, at + 1), 0);
	return fd_memfd("source", full, strlen(full));
}

static bool holds_secret(int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(fd_read_all(fd, PRODUCT_BYTES, &text, &size), 0);
	return memmem(text, size, secret, strlen(secret)) != NULL;
}

static void expect_end(const struct source *source, const struct cell *cell, int product)
{
	const struct sandbox_result *result = &cell->result;
	bool has_passed = cell->has_result && result->cause == SANDBOX_EXITED && result->exit_code == 0;
	unsigned end = has_passed ? PASSES : 1U << result->cause;

	ck_assert_msg(cell->has_result && (source->causes & end), "%s: ended otherwise; %s", source->name,
		cell_describe(cell));
	cell_expect(cell, strstr(cell->out.text, secret) == NULL && strstr(cell->err.text, secret) == NULL);
	cell_expect(cell, !holds_secret(product));
	cell_expect(cell, has_passed == (result->collected[0].status == SANDBOX_COLLECTED));
	if (end == FAILS && source->message != NULL)
		ck_assert_msg(strstr(cell->err.text, source->message) != NULL, "%s: expected \"%s\"; %s",
			source->name, source->message, cell_describe(cell));
}

START_TEST(a_source_reaches_no_further_than_its_cell)
{
	const struct source *source = &sources[_i];
	const char *reason = cell_skip_reason();
	char image[4096];
	struct sandbox_file files[SOURCES];
	size_t n = 0;

	(void)printf("# row %d, %s\n", source->row, source->name);
	(void)fflush(stdout);
	(void)snprintf(image, sizeof(image), "%s/%s", cell_images_dir(), source->language);
	if (reason != NULL || access(image, R_OK) < 0)
		TEST_SKIP(reason != NULL ? reason : "the image is not built");
	const char *canary = cell_canary();
	ck_assert_int_eq(setenv("SECRET", secret, 1), 0);
	for (; n < SOURCES && source->files[n].name != NULL; n++)
		files[n] = (struct sandbox_file){
			source->files[n].name, source_fd(source->files[n].text, canary), false};
	_cleanup_close_ int product = memfd_create("product", MFD_CLOEXEC);
	const struct sandbox_collect collect = {"program", product, PRODUCT_BYTES};
	uint64_t before = cell_image_sum(source->language, false);
	struct cell_host *host = cell_open(source->language);
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = source->language,
						   .is_compile = true,
						   .has_policy_limits = true,
						   .limits = source->limits,
						   .files = files,
						   .nfiles = n,
						   .collects = &collect,
						   .ncollects = 1});
	expect_end(source, cell, product);
	cell_free(cell);
	cell_close(host);
	ck_assert_uint_eq(cell_image_sum(source->language, false), before);
	for (size_t i = 0; i < n; i++)
		(void)close(files[i].fd);
}
END_TEST

TEST_PROGRAM("compilers", 120,
	tcase_add_loop_test(tc, a_source_reaches_no_further_than_its_cell, 0, ARRAY_SIZE(sources)))
