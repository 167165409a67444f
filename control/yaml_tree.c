/* SPDX-License-Identifier: BSD-3-Clause */
/* libyaml's events into trees, within limits that no hostile text can stretch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "yaml_tree.h"

struct anchor {
	const char *name;
	const struct tree_node *node;
};

struct yaml_reader {
	yaml_parser_t parser;
	struct arena *arena;
	struct problems *problems;
	const char *file;
	struct anchor *anchors; /* of this document */
	size_t anchor_count;
	size_t nodes; /* of the text, aliases counted in full */
	int error;    /* nothing more can be read: -EINVAL (reported) or -ENOMEM */
};

static const struct tree_node *read_node(struct yaml_reader *reader, yaml_event_t *event,
					 unsigned int depth);

static struct object_where where_of(const struct yaml_reader *reader, const yaml_mark_t *mark)
{
	return (struct object_where){.file = reader->file,
				     .line = (unsigned int)mark->line + 1,
				     .column = (unsigned int)mark->column + 1};
}

static const struct tree_node *stop(struct yaml_reader *reader, int error)
{
	if (reader->error == 0 || error == -ENOMEM)
		reader->error = error;
	return NULL;
}

/* Appends to an array that grows at powers of two. Returns 0 or -ENOMEM. */
static int append(void *array, size_t count, size_t size, const void *item)
{
	void **base = array;

	if ((count & (count - 1)) == 0) {
		void *grown = reallocarray(*base, count == 0 ? 1 : 2 * count, size);

		if (grown == NULL)
			return -ENOMEM;
		*base = grown;
	}
	memcpy((uint8_t *)*base + count * size, item, size);
	return 0;
}

static void report_syntax(struct yaml_reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	/* a bad byte is found before there is a mark for it: say how far reading had come */
	struct object_where where = where_of(
		reader, parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark);

	if (parser->error == YAML_MEMORY_ERROR) {
		stop(reader, -ENOMEM);
		return;
	}
	if (parser->error == YAML_SCANNER_ERROR && parser->buffer.pointer < parser->buffer.last &&
	    *parser->buffer.pointer == '\t')
		problems_add(reader->problems, true, &where,
			     "this is no YAML: found a tab, expected blanks to indent with");
	else if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line)
		problems_add(reader->problems, true, &where,
			     "this is no YAML: %s, %s that begins in line %zu", parser->problem,
			     parser->context, parser->context_mark.line + 1);
	else
		problems_add(reader->problems, true, &where, "this is no YAML: %s",
			     parser->problem != NULL ? parser->problem : "cannot be read");
	stop(reader, -EINVAL);
}

static bool next(struct yaml_reader *reader, yaml_event_t *event)
{
	if (yaml_parser_parse(&reader->parser, event) != 0)
		return true;
	report_syntax(reader);
	return false;
}

static struct tree_node *new_node(struct yaml_reader *reader, const yaml_event_t *event,
				  unsigned int depth)
{
	struct object_where where = where_of(reader, &event->start_mark);
	struct tree_node *node;

	if (depth > YAML_TREE_MAX_DEPTH) {
		problems_add(reader->problems, true, &where,
			     "found more than %u levels, expected less nesting",
			     YAML_TREE_MAX_DEPTH);
		stop(reader, -EINVAL);
		return NULL;
	}
	if (++reader->nodes > YAML_TREE_MAX_NODES) {
		problems_add(reader->problems, true, &where,
			     "found more than %u values, expected a smaller file",
			     YAML_TREE_MAX_NODES);
		stop(reader, -EINVAL);
		return NULL;
	}
	node = arena_alloc(reader->arena, sizeof(*node));
	if (node == NULL) {
		stop(reader, -ENOMEM);
		return NULL;
	}
	node->where = where;
	node->text = "";
	node->weight = 1;
	node->height = 1;
	return node;
}

/* Notes an anchor once its node is whole: so that a node can never contain itself. */
static const struct tree_node *anchored(struct yaml_reader *reader, const yaml_char_t *name,
					const struct tree_node *node)
{
	struct anchor anchor = {.node = node};

	if (name == NULL || node == NULL)
		return node;
	anchor.name = arena_strdup(reader->arena, (const char *)name);
	if (anchor.name == NULL ||
	    append(&reader->anchors, reader->anchor_count, sizeof(anchor), &anchor) < 0)
		return stop(reader, -ENOMEM);
	reader->anchor_count++;
	return node;
}

static const struct tree_node *read_alias(struct yaml_reader *reader, const yaml_event_t *event,
					  unsigned int depth)
{
	struct tree_node *broken = new_node(reader, event, depth);
	const char *name = (const char *)event->data.alias.anchor;
	char quoted[TREE_FOUND_LEN];

	if (broken == NULL)
		return NULL;
	for (size_t i = reader->anchor_count; i-- > 0;) {
		const struct tree_node *node = reader->anchors[i].node;

		if (strcmp(reader->anchors[i].name, name) != 0)
			continue;
		reader->nodes += node->weight;
		if (depth + node->height <= YAML_TREE_MAX_DEPTH + 1 &&
		    reader->nodes <= YAML_TREE_MAX_NODES)
			return node;
		problems_add(reader->problems, true, &broken->where,
			     "found an alias that stands for too much, expected at most %u values "
			     "and %u levels in all",
			     YAML_TREE_MAX_NODES, YAML_TREE_MAX_DEPTH);
		return stop(reader, -EINVAL);
	}
	problems_add(reader->problems, true, &broken->where,
		     "found the alias %s, expected an anchor of that name before it",
		     tree_quote(name, quoted));
	return broken;
}

static bool in(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static bool tag_is(const yaml_char_t *tag, const char *const *tags)
{
	return tag == NULL || in((const char *)tag, tags);
}

static bool unknown_tag(struct yaml_reader *reader, const struct tree_node *node,
			const yaml_char_t *tag)
{
	char quoted[TREE_FOUND_LEN];

	problems_add(reader->problems, true, &node->where,
		     "found the tag %s, expected a value without one",
		     tree_quote((const char *)tag, quoted));
	return false;
}

static const struct tree_node *read_scalar(struct yaml_reader *reader, const yaml_event_t *event,
					   unsigned int depth)
{
	static const char *const plain[] = {YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG,
					    YAML_FLOAT_TAG, NULL};
	static const char *const string[] = {YAML_STR_TAG, "!", YAML_TIMESTAMP_TAG, NULL};
	const char *value = (const char *)event->data.scalar.value;
	const yaml_char_t *tag = event->data.scalar.tag;
	struct tree_node *node = new_node(reader, event, depth);

	if (node == NULL)
		return NULL;
	node->text = arena_strndup(reader->arena, value, event->data.scalar.length);
	if (node->text == NULL)
		return stop(reader, -ENOMEM);
	if (strlen(value) != event->data.scalar.length) {
		problems_add(reader->problems, true, &node->where,
			     "found a zero byte, expected text");
		return node; /* broken */
	}
	if (tag == NULL && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		yaml_scalar_resolve(node);
	else if (tag == NULL || in((const char *)tag, string))
		node->kind = TREE_STRING;
	else if (in((const char *)tag, plain))
		yaml_scalar_resolve(node);
	else
		unknown_tag(reader, node, tag);
	return anchored(reader, event->data.scalar.anchor, node);
}

static void grow(struct tree_node *node, const struct tree_node *child)
{
	node->weight += child->weight;
	if (child->height >= node->height)
		node->height = child->height + 1;
}

static const struct tree_node *read_list(struct yaml_reader *reader, const yaml_event_t *start,
					 unsigned int depth)
{
	static const char *const tags[] = {YAML_SEQ_TAG, "!", NULL};
	struct tree_node *node = new_node(reader, start, depth);
	const struct tree_node **items = NULL, *item;
	yaml_event_t event;
	bool ended = false;

	if (node == NULL)
		return NULL;
	while (!ended && reader->error == 0 && next(reader, &event)) {
		ended = event.type == YAML_SEQUENCE_END_EVENT;
		item = ended ? NULL : read_node(reader, &event, depth + 1);
		yaml_event_delete(&event);
		if (item == NULL)
			continue;
		if (append(&items, node->count, sizeof(*items), &item) < 0)
			stop(reader, -ENOMEM);
		else
			node->count++;
		grow(node, item);
	}
	node->kind = TREE_LIST;
	if (reader->error == 0) {
		const struct tree_node **copy =
			arena_array(reader->arena, node->count, sizeof(*copy));

		if (copy == NULL)
			stop(reader, -ENOMEM);
		else if (node->count > 0)
			memcpy(copy, items, node->count * sizeof(*copy));
		node->items = copy;
	}
	free(items);
	if (reader->error != 0)
		return NULL;
	if (!tag_is(start->data.sequence_start.tag, tags)) {
		unknown_tag(reader, node, start->data.sequence_start.tag);
		node->kind = TREE_BROKEN;
	}
	return anchored(reader, start->data.sequence_start.anchor, node);
}

static int entry_cmp(const void *a, const void *b)
{
	const struct tree_entry *const *left = a, *const *right = b;
	int order = strcmp((*left)->key, (*right)->key);

	/* equal keys in the order written: both point into the same array */
	return order != 0 ? order : *left < *right ? -1 : 1;
}

/* Reports keys that are there twice, and drops all but the first of each. */
static int check_twice(struct yaml_reader *reader, struct tree_entry *entries, size_t *count)
{
	struct tree_entry **sorted;
	char quoted[TREE_FOUND_LEN];
	size_t kept = 0;

	if (*count < 2)
		return 0;
	sorted = reallocarray(NULL, *count, sizeof(struct tree_entry *));
	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < *count; i++)
		sorted[i] = &entries[i];
	qsort(sorted, *count, sizeof(struct tree_entry *), entry_cmp);
	for (size_t i = 1, first = 0; i < *count; i++) {
		if (strcmp(sorted[i]->key, sorted[first]->key) != 0) {
			first = i;
			continue;
		}
		problems_add(reader->problems, true, &sorted[i]->where,
			     "found the key %s again, expected it once: it is already in line %u, "
			     "column %u",
			     tree_quote(sorted[i]->key, quoted), sorted[first]->where.line,
			     sorted[first]->where.column);
		sorted[i]->value = NULL;
	}
	for (size_t i = 0; i < *count; i++)
		if (entries[i].value != NULL)
			entries[kept++] = entries[i];
	*count = kept;
	free(sorted);
	return 0;
}

/* Reads one key and its value. Returns false at the map's end and on errors. */
static bool read_entry(struct yaml_reader *reader, unsigned int depth, struct tree_entry *entry)
{
	const struct tree_node *key;
	yaml_event_t event;
	bool ended;

	if (!next(reader, &event))
		return false;
	ended = event.type == YAML_MAPPING_END_EVENT;
	key = ended ? NULL : read_node(reader, &event, depth + 1);
	yaml_event_delete(&event);
	if (key == NULL || !next(reader, &event))
		return false;
	*entry = (struct tree_entry){.key = key->text, .where = key->where};
	entry->value = read_node(reader, &event, depth + 1);
	yaml_event_delete(&event);
	if (entry->value == NULL)
		return false;
	if (key->kind == TREE_LIST || key->kind == TREE_MAP) {
		problems_add(reader->problems, true, &key->where,
			     "found %s as a key, expected a word",
			     key->kind == TREE_LIST ? "a list" : "a map");
		entry->key = NULL;
	} else if (strcmp(key->text, "<<") == 0) {
		problems_add(reader->problems, true, &key->where,
			     "found the merge key \"<<\", expected the keys themselves");
		entry->key = NULL;
	} else if (key->kind == TREE_BROKEN) {
		entry->key = NULL;
	}
	return true;
}

static const struct tree_node *read_map(struct yaml_reader *reader, const yaml_event_t *start,
					unsigned int depth)
{
	static const char *const tags[] = {YAML_MAP_TAG, "!", NULL};
	struct tree_node *node = new_node(reader, start, depth);
	struct tree_entry *entries = NULL, entry;

	if (node == NULL)
		return NULL;
	while (reader->error == 0 && read_entry(reader, depth, &entry)) {
		grow(node, entry.value);
		if (entry.key == NULL)
			continue;
		if (append(&entries, node->count, sizeof(entry), &entry) < 0)
			stop(reader, -ENOMEM);
		else
			node->count++;
	}
	node->kind = TREE_MAP;
	if (reader->error == 0 && check_twice(reader, entries, &node->count) < 0)
		stop(reader, -ENOMEM);
	if (reader->error == 0) {
		struct tree_entry *copy = arena_array(reader->arena, node->count, sizeof(*copy));

		if (copy == NULL)
			stop(reader, -ENOMEM);
		else if (node->count > 0)
			memcpy(copy, entries, node->count * sizeof(*copy));
		node->entries = copy;
	}
	free(entries);
	if (reader->error != 0)
		return NULL;
	if (!tag_is(start->data.mapping_start.tag, tags)) {
		unknown_tag(reader, node, start->data.mapping_start.tag);
		node->kind = TREE_BROKEN;
	}
	return anchored(reader, start->data.mapping_start.anchor, node);
}

/* Reads the node that an event begins. The event stays the caller's. NULL: reader->error is set. */
static const struct tree_node *read_node(struct yaml_reader *reader, yaml_event_t *event,
					 unsigned int depth)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return read_alias(reader, event, depth);
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event, depth);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(reader, event, depth);
	case YAML_MAPPING_START_EVENT:
		return read_map(reader, event, depth);
	default:
		return stop(reader, -EINVAL); /* libyaml never delivers others here */
	}
}

static void read_stream(struct yaml_reader *reader, struct yaml_documents *documents)
{
	const struct tree_node **roots = NULL, *root;
	yaml_event_t event;
	bool ended = false;

	while (!ended && reader->error == 0 && next(reader, &event)) {
		ended = event.type == YAML_STREAM_END_EVENT;
		root = NULL;
		if (event.type == YAML_DOCUMENT_START_EVENT)
			reader->anchor_count = 0;
		else if (!ended && event.type != YAML_STREAM_START_EVENT &&
			 event.type != YAML_DOCUMENT_END_EVENT)
			root = read_node(reader, &event, 1);
		yaml_event_delete(&event);
		if (root == NULL)
			continue;
		if (append(&roots, documents->count, sizeof(*roots), &root) < 0)
			stop(reader, -ENOMEM);
		else
			documents->count++;
	}
	documents->roots = arena_array(reader->arena, documents->count, sizeof(*roots));
	if (documents->roots == NULL)
		stop(reader, -ENOMEM);
	else if (documents->count > 0)
		memcpy(documents->roots, roots, documents->count * sizeof(*roots));
	free(roots);
}

int yaml_tree_parse(struct arena *arena, const char *text, size_t len, const char *name,
		    struct problems *problems, struct yaml_documents *documents)
{
	struct yaml_reader reader = {.arena = arena, .problems = problems};

	*documents = (struct yaml_documents){0};
	reader.file = arena_strdup(arena, name);
	if (reader.file == NULL || yaml_parser_initialize(&reader.parser) == 0)
		return -ENOMEM;
	if (len > YAML_TREE_MAX_BYTES) {
		struct object_where where = {.file = name};

		problems_add(problems, true, &where, "found %zu bytes, expected at most %u", len,
			     YAML_TREE_MAX_BYTES);
	} else {
		yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
		read_stream(&reader, documents);
	}
	free(reader.anchors);
	yaml_parser_delete(&reader.parser);
	return reader.error == -ENOMEM ? -ENOMEM : 0;
}
