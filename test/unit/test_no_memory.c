/* SPDX-License-Identifier: BSD-3-Clause */
/* Each allocation of a reader fails once: it says so, and leaves nothing behind (the sanitizer
 * looks). The linker routes allocations of the code under test through here (--wrap). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config.h"
#include "problems.h"
#include "source_file.h"

static long left = -1; /* allocations until one fails; negative: none does */

void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_calloc(size_t count, size_t size)
{
	return left-- == 0 ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return left-- == 0 ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
	return left-- == 0 ? NULL : __real_strdup(text);
}

static char text[65536];

static size_t read_corpus(const char *name)
{
	char path[512];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), SOURCE_ROOT "/test/fuzz/corpus/%s", name);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	assert_true(len > 0 && len < sizeof(text));
	fclose(file);
	return len;
}

/* Reads once; the allocation of that number fails. Returns whether there were so many. */
static bool fail_at(long number, size_t len, bool manifest)
{
	struct problems problems = {0};
	bool loaded, reached;

	left = number;
	if (manifest) {
		struct object_set *set = source_file_parse(text, len, "t", &problems);

		loaded = set != NULL;
		object_set_free(set);
	} else {
		struct config *config = config_parse(text, len, "t", &problems);

		loaded = config != NULL;
		config_free(config);
	}
	reached = left < 0;
	left = -1;
	/* only the place of a warning may be lost without anybody's being told */
	assert_int_equal(loaded, problems.errors == 0);
	problems_fini(&problems);
	return reached;
}

static void fail_everywhere(const char *name, bool manifest)
{
	size_t len = read_corpus(name);
	long number = 0;

	while (fail_at(number, len, manifest))
		number++;
	assert_true(number > 5);
}

static void a_configuration_is_refused_without_memory(void **state)
{
	(void)state;
	fail_everywhere("config/full", false);
	fail_everywhere("config/wrong", false);
}

static void manifests_are_refused_without_memory(void **state)
{
	(void)state;
	fail_everywhere("manifest/sample", true);
	fail_everywhere("manifest/service", true);
	fail_everywhere("manifest/others", true);
	fail_everywhere("manifest/wrong", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_is_refused_without_memory),
		cmocka_unit_test(manifests_are_refused_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
