/* SPDX-License-Identifier: BSD-3-Clause */
/* Manifests: the documents of a YAML text into an object set. */
#ifndef CONTROL_OBJECT_YAML_H
#define CONTROL_OBJECT_YAML_H

#include "core/object.h"
#include "problems.h"

/* Reads manifests from memory. name is for messages. NULL when any problem is an error. */
struct object_set *object_yaml_read(const char *text, size_t len, const char *name,
				    struct problems *problems);

#endif
