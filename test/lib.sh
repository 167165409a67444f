# SPDX-License-Identifier: BSD-3-Clause
# What test/demo and test/run share: Debian packages that are missing get installed, builds are made.
# Sourced by bash; the caller sets `top` to the root of the tree.

# To build vipgate.
packages_build=(meson ninja-build gcc libc6-dev pkg-config libdpdk-dev libnuma-dev libyaml-dev
	libjansson-dev libcurl4-openssl-dev libevent-dev libmnl-dev libnftables-dev libnftnl-dev
	libseccomp-dev libssl-dev libcmocka-dev)
# The scene: network namespaces, a web server on each front-end node, a name server for the client.
packages_demo=(python3 iproute2 ethtool procps nginx dnsmasq-base)
# The suites, beside the above.
packages_test=(python3-pytest python3-scapy arping ndisc6 iputils-ping tcpdump nftables dpdk clang
	clang-format llvm libclang-rt-14-dev binutils git)
# The failover bench: its peer and its plots, beside those to build and of the scene.
packages_bench=(keepalived gnuplot-nox)

# Installs those of the named packages that are missing. Starts none of the services among them.
install_packages() {
	local missing=() package policy=/usr/sbin/policy-rc.d policy_is_ours=
	for package; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "$0: run it as root, or install: ${missing[*]}" >&2
		return 1
	fi
	echo "installing from Debian: ${missing[*]}" >&2
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		policy_is_ours=1
	fi
	local log status=0
	log=$(mktemp)
	{
		DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y update &&
			DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y \
				install --no-install-recommends "${missing[@]}"
	} >"$log" 2>&1 </dev/null || status=$?
	[ -z "$policy_is_ours" ] || rm -f "$policy"
	if [ $status != 0 ]; then
		tail -n 30 "$log" >&2
		echo "$0: apt-get failed ($status)" >&2
	fi
	rm -f "$log"
	return $status
}

# meson_build DIR TARGET [meson options]: sets a build directory up, or keeps it, and builds the
# target in it.
meson_build() {
	local dir=$1 target=$2
	shift 2
	if [ ! -e "$dir/build.ninja" ]; then
		meson setup "$@" "$dir" "$top" || return
	fi
	ninja -C "$dir" "$target"
}
