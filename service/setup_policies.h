/* setup_policies.h: what the roles of the service must be allowed to do, as IAM policies. Internal to setup.c. */
#pragma once

#include "service/setup_calls.h"

/* Prints both: {"api": {…}, "worker": {…}}. */
int setup_print_policies(const struct setup *setup, struct sandbox_error *err);
