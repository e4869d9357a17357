#include "service/api.h"
#include "tests/lib/test.h"

#include <string.h>

static const struct row {
	const char *method, *path;
	const char *name;  /* NULL: no route */
	const char *allow; /* then */
} rows[] = {
	{"POST", "/submit", "submit", NULL},
	{"GET", "/status", "status", NULL},
	{"HEAD", "/status", "status", NULL},
	{"GET", "/result", "result", NULL},
	{"GET", "/", "page", NULL},
	{"HEAD", "/health", "health", NULL},
	{"GET", "/objects/outputs/x.txt", "download", NULL},
	{"GET", "/submit", NULL, "POST"},
	{"HEAD", "/submit", NULL, "POST"},
	{"POST", "/status", NULL, "GET, HEAD"},
	{"DELETE", "/objects/outputs/x.txt", NULL, "GET, HEAD"},
	{"OPTIONS", "/submit", NULL, "POST"},
	{"post", "/submit", NULL, "POST"}, /* methods are case-sensitive */
	{"GET", "/Status", NULL, ""},
	{"GET", "/status/", NULL, ""},
	{"GET", "//", NULL, ""},
	{"GET", "/objects", NULL, ""},
	{"GET", "", NULL, ""},
	{"GET", "*", NULL, ""},
};

START_TEST(finds_the_route_or_says_what_is_allowed)
{
	const struct row *row = &rows[_i];
	char allow[API_ALLOW_SIZE];
	const struct api_route *route = api_route_find(row->method, row->path, allow);

	ck_assert_pstr_eq(route ? route->name : NULL, row->name);
	if (route == NULL)
		ck_assert_str_eq(allow, row->allow);
}
END_TEST

START_TEST(every_route_has_a_name_of_its_own)
{
	for (size_t i = 0; i < api_nroutes; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(api_routes[i].name, api_routes[j].name);
}
END_TEST

TEST_PROGRAM("api_route", 10,
	     tcase_add_loop_test(
		     tc, finds_the_route_or_says_what_is_allowed, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	     tcase_add_test(tc, every_route_has_a_name_of_its_own))
