/* SPDX-License-Identifier: BSD-3-Clause */
/* The watch on the source's file, by real changes of real files. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "source_file.h"

static int enter_directory(void **state)
{
	char *dir = strdup("/tmp/vipgate-test-watch-XXXXXX");

	if (dir == NULL || mkdtemp(dir) == NULL || chdir(dir) < 0) {
		free(dir);
		return -1;
	}
	*state = dir;
	return 0;
}

static int leave_directory(void **state)
{
	static const char *const names[] = {"o.yaml",	     "new",	  "other",
					    "..data/o.yaml", "..data",	  "..tmp",
					    "v1/o.yaml",     "v2/o.yaml", "v1/x.yaml"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	rmdir("v1");
	rmdir("v2");
	if (chdir("/") < 0 || rmdir(*state) < 0)
		return -1;
	free(*state);
	return 0;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Waits for an event and says whether it concerned the file. Events are queued before the system
 * call that causes them returns, so what is not there by then never comes. */
static bool changed(struct source_file_watch *watch)
{
	struct pollfd fd = {.fd = source_file_watch_fd(watch), .events = POLLIN};

	if (poll(&fd, 1, 0) == 0)
		return false;
	assert_int_equal(fd.revents, POLLIN);
	return source_file_changed(watch);
}

static void a_file_written_in_place_counts_once_it_is_closed(void **state)
{
	struct source_file_watch *watch;
	int fd;

	(void)state;
	write_file("o.yaml", "1");
	watch = source_file_watch("o.yaml");
	assert_non_null(watch);
	assert_false(changed(watch));
	fd = open("o.yaml", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "22", 2), 2);
	assert_false(changed(watch)); /* half written */
	close(fd);
	assert_true(changed(watch));
	assert_false(changed(watch));
	source_file_unwatch(watch);
}

static void other_files_do_not_count(void **state)
{
	struct source_file_watch *watch;

	(void)state;
	write_file("o.yaml", "1");
	watch = source_file_watch("o.yaml");
	assert_non_null(watch);
	write_file("other", "x");
	assert_false(changed(watch));
	assert_int_equal(unlink("other"), 0);
	assert_false(changed(watch));
	source_file_unwatch(watch);
}

static void a_rename_over_the_file_counts_again_and_again(void **state)
{
	char path[256];
	struct source_file_watch *watch;

	(void)state;
	write_file("o.yaml", "1");
	assert_non_null(getcwd(path, sizeof(path) - 16));
	strcat(path, "/o.yaml");
	watch = source_file_watch(path);
	assert_non_null(watch);
	for (int i = 0; i < 3; i++) {
		write_file("new", "2");
		assert_false(changed(watch));
		assert_int_equal(rename("new", "o.yaml"), 0);
		assert_true(changed(watch));
	}
	source_file_unwatch(watch);
}

static void a_file_that_goes_and_comes_back_counts_when_it_is_back(void **state)
{
	struct source_file_watch *watch;
	int fd;

	(void)state;
	watch = source_file_watch("o.yaml"); /* not there yet */
	assert_non_null(watch);
	fd = open("o.yaml", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_false(changed(watch)); /* created, and still empty */
	close(fd);
	assert_true(changed(watch));
	assert_int_equal(unlink("o.yaml"), 0);
	assert_false(changed(watch));
	write_file("o.yaml", "2");
	assert_true(changed(watch));
	write_file("other", "3");
	assert_int_equal(unlink("o.yaml"), 0);
	assert_int_equal(link("other", "o.yaml"), 0); /* whole from the first moment */
	assert_true(changed(watch));
	source_file_unwatch(watch);
}

/* As kubelet updates a mounted ConfigMap: a new directory, then ..data is swapped. */
static void a_swap_of_a_config_map_counts(void **state)
{
	struct source_file_watch *watch;

	(void)state;
	assert_int_equal(mkdir("v1", 0700), 0);
	write_file("v1/o.yaml", "1");
	assert_int_equal(symlink("v1", "..data"), 0);
	assert_int_equal(symlink("..data/o.yaml", "o.yaml"), 0);
	watch = source_file_watch("o.yaml");
	assert_non_null(watch);

	assert_int_equal(mkdir("v2", 0700), 0);
	write_file("v2/o.yaml", "2");
	assert_false(changed(watch));
	assert_int_equal(symlink("v2", "..tmp"), 0);
	assert_false(changed(watch));
	assert_int_equal(rename("..tmp", "..data"), 0);
	assert_true(changed(watch));
	assert_int_equal(unlink("v1/o.yaml"), 0);
	assert_int_equal(rmdir("v1"), 0);
	assert_false(changed(watch));

	/* the watch has followed to the new directory */
	write_file("v2/o.yaml", "3");
	assert_true(changed(watch));
	source_file_unwatch(watch);
}

static void a_link_is_followed_to_another_directory(void **state)
{
	struct source_file_watch *watch;

	(void)state;
	assert_int_equal(mkdir("v1", 0700), 0);
	write_file("v1/x.yaml", "1");
	assert_int_equal(symlink("v1/x.yaml", "o.yaml"), 0);
	watch = source_file_watch("o.yaml");
	assert_non_null(watch);
	write_file("v1/x.yaml", "2");
	assert_true(changed(watch));
	assert_int_equal(unlink("o.yaml"), 0);
	assert_false(changed(watch));
	assert_int_equal(symlink("v1/x.yaml", "o.yaml"), 0);
	assert_true(changed(watch));
	source_file_unwatch(watch);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	assert_null(source_file_watch("/nonexistent/o.yaml"));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_file_written_in_place_counts_once_it_is_closed),
		IN_DIRECTORY(other_files_do_not_count),
		IN_DIRECTORY(a_rename_over_the_file_counts_again_and_again),
		IN_DIRECTORY(a_file_that_goes_and_comes_back_counts_when_it_is_back),
		IN_DIRECTORY(a_swap_of_a_config_map_counts),
		IN_DIRECTORY(a_link_is_followed_to_another_directory),
		cmocka_unit_test(a_directory_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
