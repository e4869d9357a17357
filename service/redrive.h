/* redrive.h: `cofferdam-service redrive`: jobs whose messages went to a dead-letter queue are queued again. */
#pragma once

/* ARGV[0] is "redrive". An exit status. */
int redrive_main(int argc, char *argv[]);
