/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of the state files: encoding and decoding, without any I/O. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "packet/heartbeat.h"
#include "state_file.h"

#define VERSION	    1
#define MAGIC	    "vipgate-state"
#define SEAL_PREFIX "sha256 "
#define SEAL_LEN    (sizeof(SEAL_PREFIX) - 1 + 64 + 1) /* with its newline */
#define MAX_INDEX   65535u

void state_seal(const char *text, size_t len, char *line)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	/* Without SHA-256 in libcrypto every file is refused as damaged, which is safe. */
	if (EVP_Digest(text, len, digest, &n, EVP_sha256(), NULL) != 1)
		n = 0;
	memcpy(line, SEAL_PREFIX, sizeof(SEAL_PREFIX));
	for (unsigned int i = 0; i < n && i < 32; i++)
		sprintf(line + sizeof(SEAL_PREFIX) - 1 + (size_t)i * 2, "%02x", digest[i]);
	strcat(line, "\n");
}

/* A name as one word: what is not printable, blanks and '%' as %XX; "-" is the empty one. */
static void put_word(FILE *out, const char *text)
{
	if (*text == '\0') {
		fputs(" -", out);
		return;
	}
	fputc(' ', out);
	if (strcmp(text, "-") == 0) {
		fputs("%2d", out);
		return;
	}
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c == '%' || c == 0x7f)
			fprintf(out, "%%%02x", c);
		else
			fputc(c, out);
	}
}

static void put_ip(FILE *out, const struct ip *ip)
{
	char buf[IP_STRLEN];

	fprintf(out, " %s", ip_format(ip, buf));
}

static void put_allocations(FILE *out, const struct state *state)
{
	for (size_t i = 0; i < state->allocation_count; i++) {
		const struct ipam_previous *one = &state->allocations[i];

		fputs("allocation", out);
		put_ip(out, &one->address);
		put_word(out, one->class);
		put_word(out, one->namespace);
		put_word(out, one->name);
		put_word(out, one->uid);
		fprintf(out, " %u\n", one->index);
	}
}

static void put_election(FILE *out, const struct state *state)
{
	for (size_t i = 0; i < state->group_count; i++) {
		const struct state_group *group = &state->groups[i];

		fputs("group", out);
		put_word(out, group->name);
		fprintf(out, " %s\n", group->clean ? "clean" : "running");
		for (size_t j = 0; j < group->incident_count; j++) {
			fputs("incident", out);
			put_word(out, group->name);
			fprintf(out, " %" PRId64 "\n", group->incidents[j]);
		}
		for (size_t j = 0; j < group->epoch_count; j++) {
			fputs("epoch", out);
			put_word(out, group->name);
			put_ip(out, &group->epochs[j].vip);
			fprintf(out, " %" PRIu64 "\n", group->epochs[j].epoch);
		}
	}
}

int state_encode(const struct state *state, enum state_file file, char **text, size_t *len)
{
	char seal[SEAL_LEN + 1];
	FILE *out;

	*text = NULL;
	out = open_memstream(text, len);
	if (!out)
		return -ENOMEM;
	fprintf(out, MAGIC " %d %s\n", VERSION, state_file_name(file));
	if (file == STATE_ALLOCATIONS)
		put_allocations(out, state);
	else
		put_election(out, state);
	if (fflush(out) == 0) {
		state_seal(*text, *len, seal);
		fputs(seal, out);
	}
	if (ferror(out) | fclose(out)) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Where decoding is. Words are cut out of a private copy of the text. */
struct reader {
	char *next; /* rest of the current line */
	unsigned int line;
	char *message;
	size_t message_len;
};

static int refuse(struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct reader *reader, const char *format, ...)
{
	int used = snprintf(reader->message, reader->message_len, "line %u: ", reader->line);
	va_list args;

	if (used >= 0 && (size_t)used < reader->message_len) {
		va_start(args, format);
		vsnprintf(reader->message + used, reader->message_len - (size_t)used, format, args);
		va_end(args);
	}
	return -EBADMSG;
}

/* The next blank-separated word of the line, or NULL. */
static char *take(struct reader *reader)
{
	char *word = reader->next;
	size_t len = strcspn(word, " ");

	if (len == 0)
		return NULL;
	reader->next = word + len;
	if (*reader->next == ' ')
		*reader->next++ = '\0';
	return word;
}

/* Undoes put_word() in place. NULL: no word, or a wrong escape. */
static char *take_name(struct reader *reader)
{
	char *word = take(reader), *in, *out;

	if (!word)
		return NULL;
	if (strcmp(word, "-") == 0)
		*word = '\0';
	for (in = out = word; *in != '\0'; in++, out++) {
		char hex[3] = {0};

		*out = *in;
		if (*in != '%')
			continue;
		if (!isxdigit((unsigned char)in[1]) || !isxdigit((unsigned char)in[2]))
			return NULL;
		memcpy(hex, in + 1, 2);
		*out = (char)strtoul(hex, NULL, 16);
		if (*out == '\0')
			return NULL;
		in += 2;
	}
	*out = '\0';
	return word;
}

static int take_ip(struct reader *reader, struct ip *ip)
{
	const char *word = take(reader);

	return word ? ip_parse(word, ip) : -EINVAL;
}

/* A decimal number of at most max. */
static int take_number(struct reader *reader, uint64_t max, uint64_t *value)
{
	const char *word = take(reader);

	*value = 0;
	if (!word || strlen(word) > 19)
		return -EINVAL;
	for (; *word != '\0'; word++) {
		if (*word < '0' || *word > '9')
			return -EINVAL;
		*value = *value * 10 + (uint64_t)(*word - '0');
	}
	return *value > max ? -EINVAL : 0;
}

/* Allocations while they are read; the strings point into the copy of the text. */
struct pending {
	struct ipam_previous *list;
	size_t count, capacity;
};

static int read_allocation(struct reader *reader, struct pending *pending)
{
	struct ipam_previous one = {0};
	uint64_t index;

	if (take_ip(reader, &one.address) < 0)
		return refuse(reader, "found no address, expected one after \"allocation\"");
	one.class = take_name(reader);
	one.namespace = take_name(reader);
	one.name = take_name(reader);
	one.uid = take_name(reader);
	if (!one.class || !one.namespace || !one.name || !one.uid ||
	    take_number(reader, MAX_INDEX, &index) < 0)
		return refuse(reader, "expected class, namespace, name, uid and index");
	one.index = (unsigned int)index;
	if (pending->count == pending->capacity) {
		size_t capacity = pending->capacity ? pending->capacity * 2 : 64;
		struct ipam_previous *grown = realloc(pending->list, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		pending->list = grown;
		pending->capacity = capacity;
	}
	pending->list[pending->count++] = one;
	return 0;
}

static int read_election(struct reader *reader, struct state *state, const char *kind)
{
	const char *group = take_name(reader), *mark;
	uint64_t number;
	struct ip vip;
	int err;

	if (!group)
		return refuse(reader, "found no group's name, expected one after \"%s\"", kind);
	if (strcmp(kind, "group") == 0) {
		mark = take(reader);
		if (!mark || (strcmp(mark, "clean") != 0 && strcmp(mark, "running") != 0))
			return refuse(reader, "expected \"clean\" or \"running\"");
		/* A group that is new to the state is clean; its first run makes it "running". */
		err = state_group_leave(state, group);
		if (!err && *mark == 'r')
			err = state_group_begin(state, group, 0);
		return err;
	}
	if (strcmp(kind, "incident") == 0) {
		if (take_number(reader, INT64_MAX, &number) < 0)
			return refuse(reader, "expected a time in ms since 1970");
		return state_group_incident(state, group, (int64_t)number);
	}
	if (take_ip(reader, &vip) < 0 ||
	    take_number(reader, HEARTBEAT_EPOCH_LIMIT - 1, &number) < 0)
		return refuse(reader, "expected an address and an epoch under 2^47");
	err = state_epoch_raise(state, group, &vip, number);
	return err < 0 ? err : 0;
}

static int read_record(struct reader *reader, struct state *state, enum state_file file,
		       struct pending *pending)
{
	const char *kind = take(reader);

	if (!kind)
		return refuse(reader, "found an empty line, expected a record");
	if (file == STATE_ALLOCATIONS)
		return strcmp(kind, "allocation") == 0 ? read_allocation(reader, pending) : 0;
	if (strcmp(kind, "group") == 0 || strcmp(kind, "incident") == 0 ||
	    strcmp(kind, "epoch") == 0)
		return read_election(reader, state, kind);
	return 0; /* of a later version of vipgate */
}

static int read_header(struct reader *reader, enum state_file file)
{
	const char *magic = take(reader), *name;
	uint64_t version;

	if (!magic || strcmp(magic, MAGIC) != 0 || take_number(reader, UINT32_MAX, &version) < 0)
		return refuse(reader, "found no \"" MAGIC " VERSION NAME\": not a state file");
	if (version != VERSION)
		return refuse(reader,
			      "found version %" PRIu64 ", expected %d: written by %s vipgate",
			      version, VERSION, version > VERSION ? "a newer" : "an older");
	name = take(reader);
	if (!name || strcmp(name, state_file_name(file)) != 0)
		return refuse(reader, "found a file of \"%.32s\", expected \"%s\"",
			      name ? name : "", state_file_name(file));
	return 0;
}

/* Reads every line of copy, which ends where the seal began. */
static int read_lines(struct reader *reader, struct state *state, enum state_file file, char *copy,
		      struct pending *pending)
{
	int err = 0;

	while (!err && *copy != '\0') {
		char *end = strchr(copy, '\n');

		if (!end)
			return refuse(reader, "found no end of the line");
		*end = '\0';
		reader->next = copy;
		reader->line++;
		if (reader->line == 1)
			err = read_header(reader, file);
		else
			err = read_record(reader, state, file, pending);
		copy = end + 1;
	}
	return err;
}

/* A later version may be sealed in another way: then its version is the better message. */
static int refuse_unsealed(struct reader *reader, char *copy, size_t len, enum state_file file)
{
	reader->next = copy;
	reader->line = 1;
	copy[strcspn(copy, "\n")] = '\0';
	if (len > 0 && read_header(reader, file) < 0)
		return -EBADMSG;
	snprintf(reader->message, reader->message_len,
		 "found %zu bytes whose last line is not their SHA-256: damaged", len);
	return -EBADMSG;
}

/* What a good file can be read from: text without NUL, the seal at its end. */
static bool seal_fits(const char *text, size_t len)
{
	char seal[SEAL_LEN + 1];

	if (len < SEAL_LEN || memchr(text, '\0', len))
		return false;
	state_seal(text, len - SEAL_LEN, seal);
	return memcmp(text + len - SEAL_LEN, seal, SEAL_LEN) == 0;
}

int state_decode(struct state *state, enum state_file file, const char *text, size_t len,
		 char *message, size_t message_len)
{
	struct reader reader = {.message = message, .message_len = message_len};
	struct pending pending = {0};
	struct state found = {0};
	bool sealed;
	char *copy;
	int err;

	if (message_len > 0)
		message[0] = '\0';
	sealed = seal_fits(text, len);
	copy = strndup(text, sealed ? len - SEAL_LEN : len);
	if (!copy)
		return -ENOMEM;
	if (!sealed) {
		err = refuse_unsealed(&reader, copy, len, file);
		free(copy);
		return err;
	}
	err = *copy ? read_lines(&reader, &found, file, copy, &pending)
		    : refuse(&reader, "found an empty file");
	if (!err && file == STATE_ALLOCATIONS)
		err = state_allocations_set(state, pending.list, pending.count);
	if (!err && file == STATE_ELECTION) {
		struct state old = {.groups = state->groups, .group_count = state->group_count};

		state->groups = found.groups;
		state->group_count = found.group_count;
		found = old;
	}
	free(pending.list);
	free(copy);
	state_fini(&found);
	return err;
}
