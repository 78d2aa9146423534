#!/bin/bash
# Runs in the VM, whose PID 1 feeds no watchdog: guest.sh DRIVER CASE. The real
# daemon opens the watchdog of the kernel's module DRIVER. Case "restarts" comes
# to its end; in the others the machine shall be reset: they print "stopped T"
# when the daemon does nothing any more, then "alive T", T in guest seconds.
set -u
driver=$1 case=$2
rc=0
ok() { echo "ok   $driver: $*"; }
bad() { echo "FAIL $driver: $*"; rc=1; }
uptime() { read -r up _ </proc/uptime; echo "${up%.*}"; }
die() { bad "$*"; sed 's/^/     /' /tmp/log; exit 1; }

# held says whether a process has the watchdog open. No fork: they are slow here.
held() {
	local f
	for f in /proc/[0-9]*/fd/*; do [[ $f -ef /dev/watchdog ]] && return; done
	return 1
}
# start starts the daemon and waits until it has the watchdog.
start() {
	local i
	luatnetd run --log text -c /job/watchdog.toml >>/tmp/log 2>&1 & pid=$!
	for ((i = 0; i < 100; i++)); do held && return; sleep 0.2; done
	die "the daemon did not open the watchdog"
}
# lives SECONDS: the machine does, as somebody is there to notice.
lives() { sleep "$1"; kill -0 $pid 2>/dev/null || die "the daemon ended"; }
ended() { wait $pid 2>/dev/null; ! held || die "somebody has the watchdog open"; }

[ ! -d /run/systemd/system ] || die "systemd is PID 1"
modprobe "$driver" || die "no such driver"
: >/tmp/log
start
case $case in
restarts)
	lives 400; ok "fed by the loop: 400 s and no reset"
	kill -TERM $pid; ended; sleep 400; ok "stopped with SIGTERM: 400 s and no reset"
	start; lives 100; kill -TERM $pid; ended; start; lives 400; ok "stopped and started: no reset"
	kill -KILL $pid; ended; sleep 10; start; lives 400; ok "killed, and started 10 s later: no reset"
	kill -TERM $pid; ended
	exit $rc
	;;
hangs) lives 200; kill -STOP $pid ;;
dies) lives 200; kill -KILL $pid; ended ;;
*) die "no such case: $case" ;;
esac
echo "stopped $(uptime)"
for ((i = 0; i < 300; i += 2)); do sleep 2; echo "alive $(uptime)"; done
bad "$case: no reset within 300 s"
exit $rc
