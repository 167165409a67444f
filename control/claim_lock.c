/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the one that claimed a NIC is still alive: it holds a lock for as long as it is. */
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE    SAVED_DIR "/claims.lock"
#define IFINDEX_BITS 31

/*
 * A byte of one file for each netdev of each network namespace, whose number has 32 bits. Locks of
 * the open file (F_OFD_SETLK) do not end when something else in this process closes that file.
 */
int claim_lock(unsigned int ifindex)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	struct stat ns;
	int fd, error;

	if (stat("/proc/self/ns/net", &ns) < 0)
		return -errno;
	lock.l_start = (off_t)((uint64_t)(uint32_t)ns.st_ino << IFINDEX_BITS |
			       (ifindex & ((1u << IFINDEX_BITS) - 1)));
	if (mkdir(SAVED_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return fd;
	error = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
	close(fd);
	return error;
}
