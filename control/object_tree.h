/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees of Kubernetes objects into an object set, whatever text the trees came from. */
#ifndef CONTROL_OBJECT_TREE_H
#define CONTROL_OBJECT_TREE_H

#include "core/object.h"
#include "tree.h"

/*
 * Reads objects: each root is one, or a List of them; an empty root is none. Fields that vipgate
 * does not use are passed by; other kinds are a warning each, but an error when they are nearly one
 * that is read, or of our own API group. What is wrong with an object, and with objects beside each
 * other (twice the same, pools that overlap), are errors in problems; file names the text in
 * messages. Returns NULL only without memory: when there were errors the set is not to be used, but
 * freed.
 */
struct object_set *object_tree_read(const struct tree_node *const *roots, size_t count,
				    const char *file, struct problems *problems);

#endif
