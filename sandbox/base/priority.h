/* priority.h: how soon the calling thread runs when it is woken while others keep every CPU busy. Safe after clone. */
#pragma once

/* For those that others wait for, and that work for moments only: the highest share of ordinary scheduling, and (Linux 6.12)
 * a short slice, which lets it run before the slice of who runs is over. Fallback before: the share alone decides. Without
 * CAP_SYS_NICE the slice alone. 0, or -1 with errno. */
int priority_prompt(void);
/* As a process is by default. Needs no privilege. 0, or -1 with errno. */
int priority_plain(void);
