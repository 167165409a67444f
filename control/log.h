/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines: text or JSON, one write each, rate-limited per call site. Any thread. */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include <stdbool.h>

#include "config.h"

void log_init(enum config_log_level level, bool json);
bool log_enabled(enum config_log_level level);
void log_line(enum config_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(CONFIG_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(CONFIG_LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(CONFIG_LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(CONFIG_LOG_DEBUG, __VA_ARGS__)

#endif
