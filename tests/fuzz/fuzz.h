/* fuzz.h: what the fuzzers share. Each is one file, fuzz_NAME.c, with LLVMFuzzerTestOneInput; tests/fuzz/run finds it by
 * its name, its first inputs in corpus/NAME, and its words, if it has any, in NAME.dict.
 *
 * A fuzzer does not only wait for the sanitizers' word: what is accepted must keep the promises of its header
 * (FUZZ_REQUIRE). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Optional, in libFuzzer's words: changes DATA[SIZE], which has room for MAX_SIZE, and returns its new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own mutations, for custom mutators. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* A promise: broken, it is a crash, which libFuzzer saves. */
#define FUZZ_REQUIRE(condition)                                                                              \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			(void)fprintf(                                                                       \
				stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)
