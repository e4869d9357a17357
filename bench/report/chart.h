/* chart.h: horizontal bars as SVG. */
#pragma once

#include <stddef.h>

struct bar {
	const char *label;
	double value;	  /* where the bar ends */
	double low, high; /* a thin line from LOW to HIGH over it; both 0: none */
	const char *text; /* at its end: "1.2 ms" */
};

/* Writes FILE anew. A line across all bars marks the value MARK (0: none). Ends the program when that fails. */
void chart_write(const char *file, const char *title, const struct bar *bars, size_t n, double mark);
