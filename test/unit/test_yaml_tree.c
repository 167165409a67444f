/* SPDX-License-Identifier: BSD-3-Clause */
/* Scalars as Kubernetes' reader types them, and trees that keep the order and places of a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "problems_text.h"
#include "yaml_tree.h"

static const struct tree_node *parse(struct arena *arena, const char *text, size_t len,
				     char *problems_buf, size_t room)
{
	struct yaml_documents documents;
	struct problems problems = {0};

	assert_int_equal(yaml_tree_parse(arena, text, len, "t.yaml", &problems, &documents), 0);
	problems_text(&problems, problems_buf, room);
	return documents.count > 0 ? documents.roots[0] : NULL;
}

static void a_scalar_has_the_type_that_kubernetes_gives_it(void **state)
{
	static const struct {
		const char *text;
		enum tree_kind kind;
		int64_t integer;
	} cases[] = {
		{"~", TREE_NULL, 0},
		{"null", TREE_NULL, 0},
		{"nuLL", TREE_STRING, 0},
		{"true", TREE_BOOL, 1},
		{"yes", TREE_BOOL, 1},
		{"On", TREE_BOOL, 1},
		{"y", TREE_BOOL, 1},
		{"off", TREE_BOOL, 0},
		{"NO", TREE_BOOL, 0},
		{"tRue", TREE_STRING, 0},
		{"0", TREE_INT, 0},
		{"-12", TREE_INT, -12},
		{"+12", TREE_INT, 12},
		{"1_000", TREE_INT, 1000},
		{"010", TREE_INT, 8},
		{"0o17", TREE_INT, 15},
		{"0x1F", TREE_INT, 31},
		{"0b101", TREE_INT, 5},
		{"9223372036854775807", TREE_INT, INT64_MAX},
		{"9223372036854775808", TREE_FLOAT, 0},
		{"08", TREE_FLOAT, 0},
		{"1.5", TREE_FLOAT, 0},
		{"1e3", TREE_FLOAT, 0},
		{".5", TREE_FLOAT, 0},
		{"-.inf", TREE_FLOAT, 0},
		{"1.2.3", TREE_STRING, 0},
		{"--1", TREE_STRING, 0},
		{"0x", TREE_STRING, 0},
		{"0x-1", TREE_STRING, 0},
		{"1e", TREE_STRING, 0},
		{".", TREE_STRING, 0},
		{"_", TREE_STRING, 0},
		{"12:30:45", TREE_STRING, 0},
		{"20ms", TREE_STRING, 0},
		{"192.0.2.1", TREE_STRING, 0},
		{"0000:3b:00.0", TREE_STRING, 0},
		{"\"12\"", TREE_STRING, 0},
		{"'true'", TREE_STRING, 0},
		{"''", TREE_STRING, 0},
		{"!!str 12", TREE_STRING, 0},
		{"!!int \"12\"", TREE_INT, 12},
		{"2026-01-02T03:04:05Z", TREE_STRING, 0},
	};
	char problems[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_create();
		const struct tree_node *node;

		assert_non_null(arena);
		node = parse(arena, cases[i].text, strlen(cases[i].text), problems,
			     sizeof(problems));
		assert_string_equal(problems, "");
		assert_non_null(node);
		if (node->kind != cases[i].kind)
			fail_msg("%s has kind %d", cases[i].text, node->kind);
		if (node->kind == TREE_INT)
			assert_int_equal(node->integer, cases[i].integer);
		if (node->kind == TREE_BOOL)
			assert_int_equal(node->boolean, cases[i].integer);
		arena_free(arena);
	}
}

static void a_tree_keeps_order_and_places(void **state)
{
	static const char text[] = "b: [1, {c: 2}]\n"
				   "a:\n"
				   "  - x\n";
	struct arena *arena = arena_create();
	const struct tree_node *root, *list;
	char problems[256];

	(void)state;
	root = parse(arena, text, strlen(text), problems, sizeof(problems));
	assert_string_equal(problems, "");
	assert_int_equal(root->kind, TREE_MAP);
	assert_int_equal(root->count, 2);
	assert_string_equal(root->entries[0].key, "b");
	list = tree_get(root, "b");
	assert_int_equal(list->kind, TREE_LIST);
	assert_int_equal(list->where.column, 4);
	assert_int_equal(list->items[1]->where.column, 8);
	assert_int_equal(tree_get(list->items[1], "c")->integer, 2);
	assert_int_equal(root->entries[1].where.line, 2);
	assert_int_equal(tree_get(root, "a")->items[0]->where.line, 3);
	assert_int_equal(tree_get(root, "a")->items[0]->where.column, 5);
	assert_string_equal(root->where.file, "t.yaml");
	assert_int_equal(root->weight, 7);
	assert_int_equal(root->height, 4);
	assert_null(tree_get(root, "c"));
	assert_null(tree_get(NULL, "c"));
	arena_free(arena);
}

static void what_is_refused_is_named(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *problems;
	} cases[] = {
		{"a: \"\\0\"", 7, "t.yaml:1:4: error: found a zero byte, expected text\n"},
		{"a: {<<: {b: 1}}", 15,
		 "t.yaml:1:5: error: found the merge key \"<<\", expected the keys themselves\n"},
		{"[a]: 1", 6, "t.yaml:1:1: error: found a list as a key, expected a word\n"},
		{"&a [*a]", 7,
		 "t.yaml:1:5: error: found the alias \"a\", expected an anchor of that name before "
		 "it\n"},
		{"a: &x 1\n--- \nb: *x", 18,
		 "t.yaml:3:4: error: found the alias \"x\", expected an anchor of that name before "
		 "it\n"},
		{"a:\n\tb: 1\n", 9,
		 "t.yaml:2:1: error: this is no YAML: found a tab, expected blanks to indent "
		 "with\n"},
		{"a: \xff", 4, "t.yaml:1:1: error: this is no YAML: invalid leading UTF-8 octet\n"},
		{"a: \x01", 4,
		 "t.yaml:1:1: error: this is no YAML: control characters are not allowed\n"},
	};
	char problems[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_create();

		parse(arena, cases[i].text, cases[i].len, problems, sizeof(problems));
		assert_string_equal(problems, cases[i].problems);
		arena_free(arena);
	}
}

static void a_suggestion_is_near_or_none(void **state)
{
	static const char *const names[] = {"interfaces", "node", "vlan", "mtu", NULL};

	(void)state;
	assert_string_equal(tree_suggest("interface", names), "interfaces");
	assert_string_equal(tree_suggest("Node", names), "node");
	assert_string_equal(tree_suggest("vlna", names), "vlan");
	assert_string_equal(tree_suggest("mtuu", names), "mtu");
	assert_null(tree_suggest("colour", names));
	assert_null(tree_suggest("xy", names));
	assert_null(tree_suggest("", names));
}

static void text_in_a_message_is_cut_and_harmless(void **state)
{
	char buf[TREE_FOUND_LEN], long_text[300];

	(void)state;
	assert_string_equal(tree_quote("a\nb\x1b[1m", buf), "\"a?b?[1m\"");
	/* two-byte characters: the cut must not halve one */
	for (size_t i = 0; i < sizeof(long_text); i += 2)
		memcpy(long_text + i, "\xc3\xa4", 2);
	long_text[sizeof(long_text) - 2] = '\0';
	tree_quote(long_text, buf);
	assert_true(strlen(buf) < TREE_FOUND_LEN);
	assert_string_equal(buf + strlen(buf) - 6, "\xc3\xa4...\"");
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	tree_quote(long_text, buf);
	assert_string_equal(buf + strlen(buf) - 5, "x...\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scalar_has_the_type_that_kubernetes_gives_it),
		cmocka_unit_test(a_tree_keeps_order_and_places),
		cmocka_unit_test(what_is_refused_is_named),
		cmocka_unit_test(a_suggestion_is_near_or_none),
		cmocka_unit_test(text_in_a_message_is_cut_and_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
