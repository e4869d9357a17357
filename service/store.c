#include "service/store.h"

#include <stdlib.h>

void store_page_free(struct store_page *page)
{
	for (size_t i = 0; i < page->n; i++)
		job_free(&page->jobs[i]);
	free(page->jobs);
	free(page->cursor);
	*page = (struct store_page){0};
}
