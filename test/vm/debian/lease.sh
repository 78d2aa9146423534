#!/bin/sh
# udhcpc's script: what a client needs, no resolv.conf.
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router" dev "$interface"
