/* clients.h: rows about those who ask for runs, and about the engine's own end: what a careless, hostile or dying one
 * leaves to the others. */
#pragma once

#include "sandbox/verify/corpus.h"

/* corpus_row.perform */
void clients_flood(struct trial *trial);  /* as many runs as there may be, and one more; all are cancelled */
void clients_vanish(struct trial *trial); /* runs are cancelled in every stage of their lives */
void clients_hang_up(
	struct trial *trial); /* the reader of the output is gone; the row's command writes without end */
void clients_exhausted(struct trial *trial); /* an engine without descriptors: a fault, or a whole cell */
void clients_killed(struct trial *trial); /* an engine is killed: so are its cells, and the next one sweeps */
void clients_at_the_door(
	struct trial *trial); /* forged, broken and foreign requests at the supervisor's socket */
