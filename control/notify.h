/* SPDX-License-Identifier: BSD-3-Clause */
/* What a service manager wants to be told (sd_notify(3)). */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H

/* Sends text to $NOTIFY_SOCKET; nothing happens when that is not set. */
void notify_send(const char *text);

#endif
