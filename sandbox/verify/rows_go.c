/* rows_go.c: Go sources that attack the go command, and what it makes of them. */
#include "sandbox/verify/sources.h"

#include "sandbox/base/fd.h"

#define GO(row, what, from, list, ...)                                                                       \
	{                                                                                                    \
		.number = (row), .name = (what), .origin = (from), .kinds = SITE_COMPILE, .policy = "go",    \
		.perform = source_perform, .data = &(const struct source)                                    \
		{                                                                                            \
			.files = list, __VA_ARGS__                                                           \
		}                                                                                            \
	}
#define LIST(...)                                                                                            \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define EMPTY "package main\n\nfunc main() {}\n"
#define HELLO "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"hello\\n\") }\n"
#define EMBED(pattern)                                                                                       \
	"package main\n\nimport _ \"embed\"\n\n//go:embed " pattern                                          \
	"\nvar s string\n\nfunc main() { print(s) }\n"

static const struct corpus_row rows[] = {
	/* 72: C code, and words for the C compiler and the linker. */
	GO(72, "cgo with flags for the linker", "CVE-2023-29404",
		LIST({"main.go",
			"package main\n\n// #cgo LDFLAGS: -Wl,-plugin=/box/evil.so\nimport \"C\"\n\nfunc "
			"main() {}\n",
			NULL}),
		.ends = SOURCE_FAILS, .message = "build constraints exclude"),
	GO(72, "cgo with flags for the compiler", "CVE-2020-28367",
		LIST({"main.go",
			"package main\n\n// #cgo CFLAGS: -fplugin=/box/evil.so\nimport \"C\"\n\nfunc main() "
			"{}\n",
			NULL}),
		.ends = SOURCE_FAILS, .message = "build constraints exclude"),
	GO(72, "cgo with a pkg-config of one's own", "CVE-2023-29405",
		LIST({"main.go", "package main\n\n// #cgo pkg-config: evil\nimport \"C\"\n\nfunc main() {}\n",
			     NULL},
			{"pkg-config", NULL, "impostor", true},
			{"evil.pc", "Libs: -Wl,-plugin=/box/evil.so\n", NULL}),
		.ends = SOURCE_FAILS, .message = "build constraints exclude"),
	GO(72, "cgo's inner directives in plain Go", "//go:cgo_ldflag smuggles linker flags",
		LIST({"main.go",
			"package main\n\n//go:cgo_ldflag \"-plugin=/box/evil.so\"\n\nfunc main() {}\n",
			NULL}),
		.ends = SOURCE_FAILS, .message = "only allowed in cgo-generated code"),
	GO(72, "an import by cgo_import_dynamic", "a library that the program loads: it meets the same cell",
		LIST({"main.go",
			"package main\n\n//go:cgo_import_dynamic _ _ \"/box/evil.so\"\n\nfunc main() {}\n",
			NULL}),
		.ends = SOURCE_PASSES),
	GO(72, "a C file beside it", "C without import \"C\": nobody compiles it",
		LIST({"main.go", HELLO, NULL}, {"evil.c", "#include \"{canary}\"\n", NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),

	/* 73: other files that take part. */
	GO(73, "go:embed of a file above", "embed with ..", LIST({"main.go", EMBED("../etc/passwd"), NULL}),
		.ends = SOURCE_FAILS, .message = "invalid pattern"),
	GO(73, "go:embed of a file of the host", "embed of an absolute path",
		LIST({"main.go", EMBED("{canary}"), NULL}), .ends = SOURCE_FAILS,
		.message = "invalid pattern"),
	GO(73, "go:embed of /proc", "embed of an absolute path",
		LIST({"main.go", EMBED("/proc/self/environ"), NULL}), .ends = SOURCE_FAILS,
		.message = "invalid pattern"),
	GO(73, "assembly", "code that no compiler looks at: it meets the same cell",
		LIST({"main.go",
			     "package main\n\nimport \"os\"\n\nfunc number() int\n\nfunc main() {\n\tif "
			     "number() == 42 "
			     "{\n\t\tos.Stdout.WriteString(\"hello\\n\")\n\t}\n}\n",
			     NULL},
			{"number_amd64.s", "TEXT ·number(SB), 4, $0-8\n\tMOVQ $42, ret+0(FP)\n\tRET\n",
				NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	GO(73, "assembly that includes a file of the host", "#include in .s",
		LIST({"main.go", EMPTY, NULL}, {"evil_amd64.s", "#include \"{canary}\"\n", NULL}),
		.ends = SOURCE_FAILS, .message = "no such file"),
	GO(73, "an object file that is linked in", ".syso",
		LIST({"main.go", HELLO, NULL}, {"evil.syso", "BREACH", NULL}), .ends = SOURCE_FAILS,
		.message = "executable file not found"),
	GO(73, "go:linkname into the runtime", "names that are not exported",
		LIST({"main.go",
			     "package main\n\nimport _ \"unsafe\"\n\n//go:linkname evil "
			     "os.runtime_args\nfunc evil() "
			     "[]string\n\nfunc main() { evil() }\n",
			     NULL},
			{"empty.s", "", NULL}),
		.ends = SOURCE_PASSES),
	GO(73, "a generator", "go:generate runs commands, if anybody asks it to",
		LIST({"main.go", "package main\n\n//go:generate /box/evil\n\nfunc main() {}\n", NULL},
			{"evil", NULL, "impostor", true}),
		.ends = SOURCE_PASSES),

	/* 74: what go.mod and its kin ask for. */
	GO(74, "a toolchain to download", "go 1.99",
		LIST({"main.go", EMPTY, NULL},
			{"go.mod", "module x\n\ngo 1.99\n\ntoolchain go1.99.1\n", NULL}),
		.ends = SOURCE_FAILS, .message = "1.99"),
	GO(74, "a module to download", "GOPROXY",
		LIST({"main.go", "package main\n\nimport _ \"example.com/evil\"\n\nfunc main() {}\n", NULL},
			{"go.mod", "module x\n\ngo 1.21\n\nrequire example.com/evil v1.0.0\n", NULL}),
		.ends = SOURCE_FAILS, .message = "example.com/evil"),
	GO(74, "a module replaced by a directory of the image", "replace => /",
		LIST({"main.go", "package main\n\nimport _ \"example.com/evil\"\n\nfunc main() {}\n", NULL},
			{"go.mod",
				"module x\n\ngo 1.21\n\nrequire example.com/evil v1.0.0\n\nreplace "
				"example.com/evil => "
				"/etc\n",
				NULL}),
		.ends = SOURCE_FAILS, .message = "go.mod"),
	GO(74, "a workspace that reaches out", "go.work",
		LIST({"main.go", "package main\n\nimport \"etc\"\n\nfunc main() { etc.X() }\n", NULL},
			{"go.work", "go 1.21\n\nuse /etc\n", NULL}),
		.ends = SOURCE_FAILS, .message = "etc"),
	GO(74, "a tool directive", "go 1.24's tools are code to download",
		LIST({"main.go", HELLO, NULL},
			{"go.mod", "module x\n\ngo 1.24\n\ntool example.com/evil\n", NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	GO(74, "a vendor directory", "code without a checksum: it meets the same cell",
		LIST({"main.go",
			     "package main\n\nimport \"example.com/evil\"\n\nfunc main() { evil.Hello() }\n",
			     NULL},
			{"go.mod", "module x\n\ngo 1.21\n\nrequire example.com/evil v1.0.0\n", NULL},
			{"vendor/modules.txt", "# example.com/evil v1.0.0\n## explicit\nexample.com/evil\n",
				NULL},
			{"vendor/example.com/evil/evil.go",
				"package evil\n\nimport \"os\"\n\nfunc Hello() { "
				"os.Stdout.WriteString(\"hello\\n\") }\n",
				NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	GO(74, "debug settings in go.mod", "godebug lines",
		LIST({"main.go", HELLO, NULL},
			{"go.mod", "module x\n\ngo 1.24\n\ngodebug (\n\tdefault=go1.21\n\tpanicnil=1\n)\n",
				NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),

	/* 75: settings that lie about. */
	GO(75, "settings of the go command in the upload", "go env -w GOFLAGS=-toolexec=…",
		LIST({"main.go", HELLO, NULL},
			{".config/go/env", "GOFLAGS=-toolexec=/box/evil\nCC=/box/evil\n", NULL},
			{"go.env", "GOFLAGS=-toolexec=/box/evil\n", NULL}, {"evil", NULL, "impostor", true},
			{".netrc", "machine example.com login x password y\n", NULL}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	GO(75, "uploads named like parts of the toolchain", "PATH with the working directory",
		LIST({"main.go", HELLO, NULL}, {"compile", NULL, "impostor", true},
			{"link", NULL, "impostor", true}, {"gcc", NULL, "impostor", true},
			{"git", NULL, "impostor", true}, {"go", NULL, "impostor", true}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
	GO(75, "a repository's configuration", "git runs what .git/config names",
		LIST({"main.go", HELLO, NULL}, {".git/config", "[core]\n\tfsmonitor = /box/evil\n", NULL},
			{".git/HEAD", "ref: refs/heads/main\n", NULL}, {"evil", NULL, "impostor", true}),
		.ends = SOURCE_PASSES, .output = "hello\n"),
};

const struct corpus_part corpus_go = {rows, ARRAY_SIZE(rows), false};
