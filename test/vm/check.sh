#!/bin/bash
# make vm: all that needs a VM. Prints ok and FAIL lines; where no
# VM can be made, one line that begins with "not run:" and status 77.
#     test/vm/check.sh LUATNETD
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
vm_possible "the queue on real flash and the hardware watchdog" || exit 77
"$here/watchdog.sh" "${1:?usage: check.sh LUATNETD}" >"$w/watchdog" 2>&1 & watchdog=$!
"$here/flash.sh"; rc=$?
wait $watchdog || rc=1
cat "$w/watchdog"
exit $rc
