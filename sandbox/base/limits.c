#include "sandbox/base/limits.h"

const struct limit_info limit_infos[LIMIT_N] = {
#define X(field, flag, unit, help) {#field, flag, unit, help},
	LIMIT_TABLE(X)
#undef X
};
