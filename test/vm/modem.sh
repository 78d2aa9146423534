#!/bin/bash
# USB modems in the VM: what is discovered, the levers, and PPP by the real pppd.
# Prints ok and FAIL lines; the exit status says whether all held. Where no VM can
# be made it says so in one line that begins with "not run:" and ends with 77.
#     test/vm/modem.sh [SCENE...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin GOTOOLCHAIN=auto
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT

none() { echo "not run: USB modems, for want of $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null || none "Debian on amd64"
"$here/run.sh" -x >"$w/build.log" 2>&1 || { tail -5 "$w/build.log" >&2; none "a virtual machine: see above"; }

CGO_ENABLED=0 ${GO:-go} build -o "$w/modem" "$here/modem"
"$here/run.sh" -V -t 400 -T 600 "$w/modem" -- "$@"
# The unit that is shipped, under systemd: pppd inside of its locks.
[ $# -gt 0 ] || "$here/run.sh" -S -V -t 200 -T 400 "$w/modem" "$here/../../packaging/systemd/luatnetd.service" -- unit
