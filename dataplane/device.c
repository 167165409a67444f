/* SPDX-License-Identifier: BSD-3-Clause */
/* Device strings, and the netdev that a kernel driver still drives below some of them. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "dplog.h"
#include "netdev.h"

static bool device_is(const char *device, const char *driver)
{
	return strncmp(device, driver, strlen(driver)) == 0;
}

bool dataplane_device_netdev(const char *device, char *name)
{
	const char *at;
	size_t len;

	if (!device_is(device, "net_af_xdp") && !device_is(device, "net_af_packet"))
		return false;
	for (at = strchr(device, ','); at != NULL; at = strchr(at, ',')) {
		at++;
		if (strncmp(at, "iface=", 6) != 0)
			continue;
		at += 6;
		len = strcspn(at, ",");
		if (len == 0 || len >= IFNAMSIZ)
			return false;
		memcpy(name, at, len);
		name[len] = '\0';
		return true;
	}
	return false;
}

/* The driver serves one queue unless told otherwise, and packets of the others would be lost. */
static int xdp_queues(const struct dataplane_interface_config *config, const char *netdev,
		      size_t workers, char *device, size_t device_len, char *error,
		      size_t error_len)
{
	size_t len = strlen(device);
	unsigned int queues;
	bool combined;
	int ret = netdev_rx_queues(netdev, &queues, &combined);

	if (ret < 0) {
		snprintf(error, error_len, "device %s: netdev %s: %s", config->device, netdev,
			 strerror(-ret));
		return ret;
	}
	if (queues == 1 || strstr(device, "queue_count=") != NULL ||
	    strstr(device, "start_queue=") != NULL)
		return 0;
	if (!combined || queues > workers) {
		snprintf(error, error_len,
			 "device %s: %s has %u %sreceive queues, and %zu can be served: run "
			 "`ethtool -L %s %s %zu`%s",
			 config->device, netdev, queues, combined ? "" : "separate ",
			 combined ? workers : 1, netdev, combined ? "combined" : "rx",
			 combined ? workers : 1, combined ? ", or give more lcores" : "");
		return -EINVAL;
	}
	snprintf(device + len, device_len - len, ",queue_count=%u", queues);
	return 0;
}

static int xdp_prepare(const struct dataplane_interface_config *config, const char *netdev,
		       size_t workers, char *device, size_t device_len, char *error,
		       size_t error_len)
{
	int ret = xdp_queues(config, netdev, workers, device, device_len, error, error_len);

	if (ret < 0)
		return ret;
	if (config->mtu > DEVICE_XDP_MAX_MTU) {
		snprintf(error, error_len, "device %s: mtu %u, but AF_XDP carries at most %d",
			 config->device, config->mtu, DEVICE_XDP_MAX_MTU);
		return -EINVAL;
	}
	if (config->vlan != 0 && netdev_strips_vlan(netdev) > 0) {
		snprintf(error, error_len,
			 "device %s: vlan %u, but %s strips tags and AF_XDP cannot see them: run "
			 "`ethtool -K %s rxvlan off`",
			 config->device, config->vlan, netdev, netdev);
		return -EINVAL;
	}
	ret = netdev_xdp_detach(netdev);
	if (ret > 0)
		dplog(DATAPLANE_LOG_WARNING,
		      "%s: took down an XDP program that an earlier process had left on it",
		      netdev);
	else if (ret < 0)
		dplog(DATAPLANE_LOG_WARNING, "%s: cannot take down its old XDP program: %s", netdev,
		      strerror(-ret));
	return 0;
}

int device_prepare(const struct dataplane_interface_config *config, size_t workers, char *device,
		   size_t device_len, int *claim, char *error, size_t error_len)
{
	char netdev[IFNAMSIZ];
	unsigned int mtu;
	int ret;

	*claim = -1;
	if (snprintf(device, device_len, "%s", config->device) >= (int)device_len - 32) {
		snprintf(error, error_len, "device %.40s…: longer than %zu characters",
			 config->device, device_len - 32);
		return -EINVAL;
	}
	if (!dataplane_device_netdev(config->device, netdev)) {
		if (!device_is(config->device, "net_af_xdp") &&
		    !device_is(config->device, "net_af_packet"))
			return 0;
		snprintf(error, error_len,
			 "device %s: expected an argument iface= with the name of a netdev",
			 config->device);
		return -EINVAL;
	}
	ret = netdev_mtu(netdev, &mtu);
	if (ret < 0) {
		snprintf(error, error_len, "device %s: no netdev %s: %s", config->device, netdev,
			 strerror(-ret));
		return ret;
	}
	*claim = netdev_claim(netdev);
	if (*claim < 0) {
		snprintf(error, error_len, "device %s: %s", config->device,
			 *claim == -EADDRINUSE ? "another vipgate uses this netdev"
					       : strerror(-*claim));
		return *claim;
	}
	if (device_is(config->device, "net_af_xdp"))
		return xdp_prepare(config, netdev, workers, device, device_len, error, error_len);
	return 0;
}
