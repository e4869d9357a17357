#include "bench/report/chart.h"

#include <err.h>
#include <stdio.h>

enum { LEFT = 150, WIDTH = 720, PLOT = 460, TOP = 44, ROW = 26, BAR = 16 };

static void escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '<':
			(void)fputs("&lt;", out);
			break;
		case '&':
			(void)fputs("&amp;", out);
			break;
		default:
			(void)fputc(*text, out);
		}
}

static void text_at(FILE *out, double x, double y, const char *style, const char *text)
{
	(void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
	escaped(out, text);
	(void)fputs("</text>\n", out);
}

static double largest(const struct bar *bars, size_t n, double mark)
{
	double max = mark;

	for (size_t i = 0; i < n; i++) {
		if (bars[i].value > max)
			max = bars[i].value;
	}
	return max > 0 ? max : 1;
}

static double capped(double value, double max)
{
	return LEFT + PLOT * (value < max ? value : max) / max;
}

static void draw(FILE *out, const struct bar *bar, double y, double max)
{
	double end = capped(bar->value, max);

	text_at(out, LEFT - 8, y + BAR - 3, "text-anchor=\"end\"", bar->label);
	(void)fprintf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"#4477aa\"/>\n",
		LEFT, y, end - LEFT, BAR);
	/* What is beyond the longest bar ends at the edge: one slow run must not flatten all others. */
	if (bar->high > 0)
		(void)fprintf(out,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#bb5566\" "
			"stroke-width=\"2\"/>\n",
			capped(bar->low, max), y + BAR / 2.0, capped(bar->high, max), y + BAR / 2.0);
	text_at(out, LEFT + PLOT + 8, y + BAR - 3, "", bar->text);
}

void chart_write(const char *file, const char *title, const struct bar *bars, size_t n, double mark)
{
	double max = largest(bars, n, mark) * 1.02;
	size_t height = TOP + n * ROW + 12;
	FILE *out = fopen(file, "we");

	if (out == NULL)
		err(1, "%s", file);
	(void)fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"font-family=\"sans-serif\" font-size=\"13\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		WIDTH, height);
	text_at(out, 12, 24, "font-size=\"15\" font-weight=\"bold\"", title);
	for (size_t i = 0; i < n; i++)
		draw(out, &bars[i], TOP + (double)(i * ROW), max);
	if (mark > 0)
		(void)fprintf(out,
			"<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%zu\" stroke=\"#888888\" "
			"stroke-dasharray=\"4 3\"/>\n",
			capped(mark, max), TOP - 6, capped(mark, max), height - 8);
	(void)fputs("</svg>\n", out);
	if (fclose(out) != 0)
		err(1, "%s", file);
}
