/* SPDX-License-Identifier: BSD-3-Clause */
/* The heartbeat's key file: one or two keys in hex, a line each, the first one signs. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_read.h"
#include "text_file.h"

#define KEY_FILE_MAX 4096

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line without its end. Nothing of a key is ever put into a message. */
static void read_line(struct config *config, const char *line, size_t len,
		      struct object_where *where, struct problems *problems)
{
	struct config_key key;
	size_t begin = 0;

	while (len > 0 && isspace((uint8_t)line[len - 1]))
		len--;
	while (begin < len && isspace((uint8_t)line[begin]))
		begin++;
	if (begin == len || line[begin] == '#')
		return;
	where->column = (unsigned int)begin + 1;
	for (size_t i = begin; i < len; i++) {
		if (nibble(line[i]) >= 0)
			continue;
		where->column = (unsigned int)i + 1;
		problems_add(problems, true, where,
			     "found what is no hexadecimal digit, expected a key of 64 of them");
		return;
	}
	if (len - begin != 64) {
		problems_add(problems, true, where,
			     "found %zu hexadecimal digits, expected a key of 64 (32 bytes)",
			     len - begin);
		return;
	}
	if (config->key_count == 2) {
		problems_add(problems, true, where, "found a third key, expected one or two");
		return;
	}
	for (size_t i = 0; i < sizeof(key.bytes); i++)
		key.bytes[i] = (uint8_t)(nibble(line[begin + 2 * i]) << 4 |
					 nibble(line[begin + 2 * i + 1]));
	if (config->key_count == 1 && memcmp(&config->keys[0], &key, sizeof(key)) == 0)
		problems_add(problems, false, where, "found the same key twice");
	else
		config->keys[config->key_count++] = key;
	explicit_bzero(&key, sizeof(key));
}

void config_keys_parse(struct config *config, const char *text, size_t len, const char *name,
		       struct problems *problems)
{
	struct object_where where = {.file = name};
	size_t errors = problems->errors;

	config->key_count = 0;
	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t end = newline != NULL ? (size_t)(newline - text) : len;

		where.line++;
		read_line(config, text + at, end - at, &where, problems);
		at = end + 1;
	}
	where.line = where.column = 1;
	if (config->key_count == 0 && problems->errors == errors)
		problems_add(problems, true, &where,
			     "found no key, expected one or two lines of 64 hexadecimal digits");
}

int config_keys_load(struct config *config, struct problems *problems)
{
	size_t len;
	char *text;
	int error = text_file_read(config->key_file, KEY_FILE_MAX, 077, problems, &text, &len);

	if (error < 0)
		return error;
	config_keys_parse(config, text, len, config->key_file, problems);
	explicit_bzero(text, len);
	free(text);
	return 0;
}
