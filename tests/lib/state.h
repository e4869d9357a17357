/* state.h: what the service keeps in its state directory, looked at past the service. */
#pragma once

/* The number that SQL finds in DIR's database. */
int state_count(const char *dir, const char *sql);
/* How many rows SQL changes there. */
int state_change(const char *dir, const char *sql);
/* Entries of DIR/NAME. */
unsigned state_files(const char *dir, const char *name);
