#!/bin/bash
# USB modems in the VM: what is discovered, the levers, PPP by the real pppd, and
# the whole daemon with a LAN client behind it. Prints ok and FAIL lines and what
# was measured; the exit status says whether all held. Where no VM can be made it
# says so in one line that begins with "not run:" and ends with 77.
#     [LUATNETD=PATH] test/vm/modem.sh [SCENE[:PART]...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin GOTOOLCHAIN=auto
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT

none() { echo "not run: USB modems, for want of $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null || none "Debian on amd64"
"$here/run.sh" -V -x >"$w/build.log" 2>&1 || { tail -5 "$w/build.log" >&2; none "a virtual machine: see above"; }

CGO_ENABLED=0 ${GO:-go} build -o "$w/modem" "$here/modem"
if [ -n "${LUATNETD-}" ]; then cp "$LUATNETD" "$w/luatnetd"; else CGO_ENABLED=0 ${GO:-go} build -ldflags "-s -w" -o "$w/luatnetd" "$here/../../cmd/luatnetd"; fi
rc=0
"$here/run.sh" -V -t 1500 -T 1500 "$w/modem" "$w/luatnetd" -- "$@" || rc=1
# The unit that is shipped, under systemd: pppd inside of its locks.
[ $# -gt 0 ] || "$here/run.sh" -S -V -t 200 -T 400 "$w/modem" "$here/../../packaging/systemd/luatnetd.service" -- unit || rc=1
exit $rc
