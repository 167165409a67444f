/* SPDX-License-Identifier: BSD-3-Clause */
/* Columns on a terminal, and the documents of the daemon printed as such. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "cli.h"
#include "page.h"
#include "metrics.h"
#include "table.h"

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	struct table table = {.columns = 3};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	table_cell(&table, "A");
	table_cell(&table, "LONG-HEAD");
	table_cell(&table, "C");
	table_cell(&table, "a-long-cell");
	table_cell(&table, NULL);
	table_cellf(&table, "%d", 7);
	table_cell(&table, "half a row is not printed");
	table_print(&table, out);
	fclose(out);
	assert_string_equal(text, "A             LONG-HEAD   C\n"
				  "a-long-cell   <none>      7\n");
	free(text);
	table_fini(&table);
}

static char *printed(const char *command, const char *json)
{
	json_t *document = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(document);
	assert_true(cli_print(command, document, out));
	fclose(out);
	json_decref(document);
	return text;
}

static void documents_are_printed_as_columns(void **state)
{
	static const struct {
		const char *command, *json, *expected;
	} cases[] = {
		{"vips",
		 "{\"vips\":[{\"address\":\"192.0.2.1\",\"class\":\"front\",\"services\":[\"a/b\","
		 "\"a/c\"],\"nodes\":[\"x\",\"y\"],\"owner\":null,\"state\":\"none\",\"epoch\":3,"
		 "\"since\":null}]}",
		 "ADDRESS     CLASS   SERVICES   OWNER    STATE   EPOCH   SINCE    NODES\n"
		 "192.0.2.1   front   a/b,a/c    <none>   none    3       <none>   x,y\n"},
		{"peers",
		 "{\"peers\":[{\"node\":\"x\",\"group\":\"g\",\"state\":\"ACTIVE\",\"boot_id\":"
		 "\"0f\",\"paths\":{\"front\":{\"heard\":true,\"age_ms\":3,\"lost\":1},"
		 "\"management\":{\"heard\":false,\"age_ms\":null,\"lost\":0}}}]}",
		 "NODE   GROUP   STATE    BOOT   FRONT                   MANAGEMENT\n"
		 "x      g       ACTIVE   0f     heard 3ms ago, 1 lost   never\n"},
		{"stats",
		 "{\"interfaces\":[{\"name\":\"f\",\"rx_packets\":1,\"rx_bytes\":2,\"tx_packets\":"
		 "3,"
		 "\"tx_bytes\":4,\"to_kernel\":5,\"from_kernel\":6,\"arp_answered\":7,"
		 "\"ndp_answered\":8,\"announced\":9,\"drops\":{\"runt\":10}}]}",
		 "INTERFACE   RX   RX-BYTES   TX   TX-BYTES   TO-KERNEL   FROM-KERNEL   ARP   NDP  "
		 " "
		 "ANNOUNCED\n"
		 "f           1    2          3    4          5           6             7     8    "
		 " "
		 "9\n"
		 "\n"
		 "INTERFACE   DROPPED   REASON\n"
		 "f           10        runt\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = printed(cases[i].command, cases[i].json);

		assert_string_equal(text, cases[i].expected);
		free(text);
	}
}

static void a_document_without_a_form_is_refused(void **state)
{
	json_t *document = json_object();

	(void)state;
	assert_false(cli_print("drain", document, stdout));
	json_decref(document);
}

static void an_incomplete_document_does_not_crash(void **state)
{
	static const char *const commands[] = {"status", "vips", "peers", "stats", "explain"};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		free(printed(commands[i], "{\"vips\":[{}],\"peers\":[{}],\"interfaces\":[{}]}"));
}

static void text_is_escaped_for_where_it_goes(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	page_escape("<a href=\"x\">&</a>", out);
	fputc(' ', out);
	metrics_escape("a\\b\"c\nd", out);
	fclose(out);
	assert_string_equal(text, "&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt; a\\\\b\\\"c\\nd");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(documents_are_printed_as_columns),
		cmocka_unit_test(a_document_without_a_form_is_refused),
		cmocka_unit_test(an_incomplete_document_does_not_crash),
		cmocka_unit_test(text_is_escaped_for_where_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
