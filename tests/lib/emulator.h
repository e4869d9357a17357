/* emulator.h: something that speaks SQS, DynamoDB or S3 (tests/aws/emulators/run). What fails here fails
 * the running test. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum emulator_kind {
	EMULATOR_RGW,
	EMULATOR_MOTO,
	EMULATOR_MOTO_AUTH,
	EMULATOR_FAUXQS,
	EMULATOR_DYNALITE,
	EMULATOR_KIND_N,
};

struct emulator {
	pid_t pid; /* 0: not running */
	enum emulator_kind kind;
	unsigned port;
	char url[64];		  /* "http://127.0.0.1:21711" */
	char key[64], secret[64]; /* what it accepts */
};

/* NULL: they can be had; else the reason why not, static. Their root is made by `make emulators`. */
const char *emulator_skip_reason(void);

/* Returns when it answers. It accepts the keys of LIKE (NULL: any); but EMULATOR_MOTO_AUTH has its own: start it first. */
void emulator_start(struct emulator *emulator, enum emulator_kind kind, const struct emulator *like);
/* It has not ended: what it had would be gone. Also in a test that did not start it. */
void emulator_expect_alive(const struct emulator *emulator);
/* Also when it is not running. All it had is gone. */
void emulator_stop(struct emulator *emulator);

/* Sets the environment, as the service reads it, for calls of these services to this emulator. SERVICES: "SQS DYNAMODB". */
void emulator_export(const struct emulator *emulator, const char *services);
