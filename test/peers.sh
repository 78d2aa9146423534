#!/bin/sh
# Finds the foreign programs that the tests talk to. Where it is root on Debian
# it installs what is missing; elsewhere it prints what the tests will not run.
# Standard output is a note for the last line of "make test".
set -eu

want="nft:nftables ip:iproute2 conntrack:conntrack busybox:busybox dnsmasq:dnsmasq-base dhclient:isc-dhcp-client
dhcpcd:dhcpcd-base curl:curl iperf3:iperf3 dig:dnsutils nmap:nmap traceroute:traceroute ethtool:ethtool tcpdump:tcpdump ping:iputils-ping socat:socat ncat:ncat openssl:openssl ss:iproute2"

missing() {
	for pair in $want; do
		command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] || [ -x "/sbin/${pair%%:*}" ] || echo "${pair##*:}"
	done
}

need=$(missing)
if [ -n "$need" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing test peers:" $need >&2
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null 2>&1 || true
	need=$(missing)
fi
if [ -n "$need" ]; then
	set -- $need
	echo "; not run for want of $# programs:" "$@"
fi
