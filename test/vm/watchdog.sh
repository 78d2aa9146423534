#!/bin/bash
# The hardware watchdog: the real daemon in the VM with softdog, which takes the
# time-out that is wished for, and with ib700wdt, which takes 30 s at most as
# many boards do. A hung or dead daemon resets the machine, a restart does not.
# Prints ok and FAIL lines; the exit status says whether all held. Where no VM
# can be made it says so in one line that begins with "not run:", status 77.
#     test/vm/watchdog.sh LUATNETD
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
rc=0
vm_possible "the hardware watchdog" || exit 77
cp "${1:?usage: watchdog.sh LUATNETD}" "$w/luatnetd" || exit 1

guest() { # DRIVER CASE
	"$here/run.sh" -V -t 3000 -T 600 -k "$w/kernel" "$here/watchdog/guest.sh" "$here/watchdog/watchdog.toml" "$w/luatnetd" -- "$1" "$2"
}

# resets DRIVER CASE TIMEOUT [WORDS]: the machine ends by itself, when the last
# food, at most half a TIMEOUT old, is TIMEOUT seconds old; WORDS are in the kernel's log.
resets() {
	local status stopped alive late
	guest "$1" "$2" >"$w/out" 2>"$w/err"; status=$?
	stopped=$(sed -n 's/^stopped //p' "$w/out"); alive=$(sed -n 's/^alive //p' "$w/out" | tail -1)
	late=$((${alive:-0} - ${stopped:-0}))
	if [ $status = 125 ] && [ $late -ge $(($3 / 2 - 5)) ] && [ $late -le "$3" ] && { [ -z "${4-}" ] || grep -qaF -- "$4" "$w/kernel"; }; then
		echo "ok   $1: the daemon $2: reset after $late s"
	else
		echo "FAIL $1: the daemon $2: status $status, stopped at ${stopped:-?} s, last seen alive at ${alive:-?} s"; rc=1
		cat "$w/out" "$w/err"; tail -5 "$w/kernel"
	fi
}

guest softdog restarts || rc=1
resets softdog hangs 120 'softdog: Initiating system reboot'
resets softdog dies 120 'softdog: Initiating system reboot'
resets ib700wdt hangs 30
exit $rc
