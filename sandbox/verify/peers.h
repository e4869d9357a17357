/* peers.h: rows of two cells: what one leaves for the next, and what two at once can say to each other. The row's command is
 * what the second one does; DATA (a string) is what the first one did, or does meanwhile until its input ends. Both
 * programs must exit with 0; the second one's output is held against the row. */
#pragma once

#include "sandbox/verify/corpus.h"

/* corpus_row.perform */
void peers_after(struct trial *trial);	/* one after the other */
void peers_beside(struct trial *trial); /* the first says "ready" and stays */
