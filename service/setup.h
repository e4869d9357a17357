/* setup.h: `cofferdam-service setup`: makes what the service needs in AWS: the table with its index, each queue with its
 * dead-letter queue, the bucket with its rules. What is there is left as it is, but for the settings that are ours. */
#pragma once

#include "sandbox/base/error.h"

/* ARGV[0] is "setup". An exit status. */
int setup_main(int argc, char *argv[]);
