#!/bin/bash
# install.sh OLD.deb NEW.deb: the package in a Debian with systemd, from
# installation to purge. Every step prints "ok" or "FAIL"; one FAIL, and the
# status is 1. It runs as root in a machine that is thrown away, see nspawn.sh.
set -u
here=$(dirname "$0"); . "$here/world.sh"
old=$here/old.deb new=$here/new.deb unit=luatnetd.service conf=/etc/luatnetd/luatnetd.toml
failed=0

# step TEXT COMMAND...
step() {
  local text=$1 out; shift
  if out=$("$@" 2>&1); then
    printf 'ok   %3ds %s\n' $SECONDS "$text"
  else
    pkill -x ping # of a flow that nobody ended
    printf 'FAIL %3ds %s\n%s\n' $SECONDS "$text" "$(sed 's/^/       /' <<<"$out" | tail -25)"; failed=1
  fi
}
# within SECONDS COMMAND...: it becomes true
within() {
  local end=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $end ] || { echo "not within the time: $*"; return 1; }; sleep 0.1; done
}
not() { ! "$@"; }
is() { [ "$1" = "$2" ] || { echo "is \"$1\", want \"$2\""; return 1; }; }
has() { grep -qF -- "$2" <<<"$1" || { echo "no \"$2\" in: $1"; return 1; }; }
prop() { systemctl show -p "$1" --value $unit; }
since() { journalctl -u $unit --no-pager -o cat --after-cursor "$cursor"; }
logged() { grep -qF -- "$2" <<<"$(journalctl -u $unit -p "$1" -o cat --no-pager)"; } # no cursor: with -p it would skip one
mark() { cursor=$(journalctl -u $unit -n 0 --show-cursor --no-pager | sed -n 's/^-- cursor: //p'); }
active() { [ "$(luatnetd ctl status --json | sed -n 's/^ *"active": "\(.*\)",/\1/p')" = "$1" ]; }
online() { ip netns exec client ping -qc1 -W1 $server; }

# flow_starts, flow_ends: a client pings 50 times a second meanwhile, and every
# ping is answered but perhaps the last one, on whose answer nobody waited.
flow_starts() {
  ip netns exec client ping -i 0.02 -W1 $server >/tmp/ping 2>&1 & ping=$!
  within 10 pinging # the first answers are there
}
pinging() { grep -q 'bytes from' /tmp/ping; }
flow_ends() {
  kill -INT $ping; wait $ping
  local sent got last; read -r sent _ _ got _ <<<"$(grep transmitted /tmp/ping)"
  last=$(sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' /tmp/ping | sort -n | tail -1)
  [ "$got" -gt 5 ] && [ "$got" = "$last" ] && [ $((sent - last)) -le 1 ] || { echo "$sent pings, $got answers, the last one to $last"; return 1; }
}
# --- installed, and nothing is configured
empty() {
  is "$(prop ActiveState)/$(prop SubState)/$(prop NRestarts)" active/running/0 &&
    has "$(prop StatusText)" "nothing is configured" && has "$(prop StatusText)" $conf &&
    is "$(systemctl is-enabled $unit)" enabled
}
# --- configured
ready_when_ready() { # systemctl returns at READY=1: the firewall stands then, and the LAN's address
  config wan1 wan2 >$conf && mark && systemctl restart $unit && nft list table inet luatnetd >/dev/null &&
    has "$(ip -4 addr show br-lan)" 192.168.5.1/24 && is "$(since | grep -c msg=ready)" 1
}
dhcp() {
  ip netns exec client udhcpc -nqfi eth0 -s "$here/lease.sh" && has "$(ip -n client -4 addr show eth0)" 192.168.5. &&
    within 10 online
}
priorities() {
  within 10 logged warning level=WARN && not logged warning level=INFO && within 10 logged info level=INFO &&
    not grep -q time= <<<"$(journalctl -u $unit -o cat --no-pager)"
}
# --- reload
reload_good() {
  flow_starts; config wan2 wan1 >$conf
  systemctl reload $unit && within 10 active wan2 && within 10 has_status "online through wan2" &&
    config wan1 wan2 >$conf && systemctl reload $unit && within 10 active wan1 && flow_ends
}
has_status() { grep -qF -- "$1" <<<"$(prop StatusText)"; }
reload_bad() {
  local before after; before=$(nft -s list table inet luatnetd; ip rule; ip route); mark
  config wan1 wan2 | sed 's/hold_down/holddown/' >$conf; flow_starts
  not systemctl reload $unit || return 1
  flow_ends && after=$(nft -s list table inet luatnetd; ip rule; ip route) && is "$after" "$before" &&
    has "$(since)" "$conf:11:" && has "$(systemctl status $unit --no-pager)" "$conf:11:" &&
    within 10 logged err "reload refused" && is "$(prop ActiveState)" active && active wan1 && config wan1 wan2 >$conf
}
# --- faults
watchdog() { # WatchdogSec; systemd continues it, so that it can say what it did
  local pid; pid=$(main_pid) || return 1; mark; flow_starts; kill -STOP "$pid"
  within 45 restarted "$pid" && within 10 active wan1 && flow_ends && has "$(since)" "Watchdog timeout" && has "$(since)" goroutine
}
main_pid() { local pid; pid=$(prop MainPID); echo "$pid"; [ "$pid" != 0 ]; }
restarted() { [ "$(prop MainPID)" != "$1" ] && [ "$(prop MainPID)" != 0 ] && [ "$(prop ActiveState)" = active ]; }
killed() {
  local pid n; pid=$(main_pid) || return 1; n=$(prop NRestarts); flow_starts; kill -KILL "$pid"
  within 10 restarted "$pid" && is "$(prop NRestarts)" $((n + 1)) && within 10 active wan1 && flow_ends
}
stop_keeps() {
  flow_starts; systemctl stop $unit; sleep 1
  flow_ends && is "$(prop ActiveState)/$(prop Result)" inactive/success && nft list table inet luatnetd && systemctl start $unit && within 10 active wan1
}
# --- packages
upgrade() {
  local pid; pid=$(prop MainPID); echo '# edited' >>$conf; flow_starts
  dpkg -i "$new" && restarted "$pid" && within 10 active wan1 && flow_ends &&
    has "$(luatnetd ctl version)" 99.0.0 && has "$(<$conf)" '# edited' && is "$(ls /etc/luatnetd)" luatnetd.toml
}
remove() {
  dpkg -r luatnetd && not pgrep -x luatnetd && is "$(ours)" "" && is "$(cat /proc/sys/net/ipv4/ip_forward)" "$forward" &&
    [ -s $conf ] && not [ -e /run/luatnetd ] && not systemctl is-active -q $unit && is "$(foreign)" "$foreign"
}
again() { dpkg -i "$new" && within 10 active wan1 && within 10 online && active wan1; }
purge() {
  dpkg -P luatnetd && is "$(ours)" "" && is "$(foreign)" "$foreign" || return 1
  local left; left=$(find / -xdev \( -path /proc -o -path /sys -o -path /job -o -path /vm -o -path /var/log \) -prune -o -name '*luatnetd*' -print)
  is "$left" /etc/luatnetd.other
}
exposure() {
  local score; score=$(systemd-analyze security $unit --no-pager | sed -n 's/.*exposure level for .*: \([0-9.]*\).*/\1/p')
  echo "it is $score:"; systemd-analyze security $unit --no-pager | grep ✗; [ -n "$score" ] && [ "${score/./}" -le "$1" ]
}

useradd -M -s /bin/bash stranger; groupadd operators; useradd -M -s /bin/bash -G operators clerk
make_world; make_foreign; foreign=$(foreign); forward=$(cat /proc/sys/net/ipv4/ip_forward)
step "the package installs" dpkg -i "$old"
step "without a configuration: active, enabled, says what to do" empty
step "without a configuration: changes nothing" is "$(ours; foreign)" "$foreign"
step "ready only when the first plan is in the kernel" ready_when_ready
step "a LAN client gets a lease and pings the internet" dhcp
step "the active uplink is in systemctl's status" within 10 has_status "online through wan1"
step "both uplinks pass their checks" within 10 has_status "backup: wan2"
step "root may ask the control socket" has "$(luatnetd ctl status)" wan1
step "a member of the group may" runuser -u clerk -- luatnetd ctl status
step "another user may not" not runuser -u stranger -- luatnetd ctl status
step "the journal has levels, and one time for each line" priorities
step "reload: a good file takes effect, a flow lives" reload_good
step "reload: a bad file is refused with its line, nothing changes" reload_bad
step "stopped by a signal: the watchdog restarts it, the LAN forwards" watchdog
step "kill -9: restarted, the LAN forwards" killed
step "stop keeps the kernel's state" stop_keeps
step "upgrade: no ping is lost, the configuration stays" upgrade
step "the unit is locked up: exposure at most 3.0" exposure 30
step "remove: the kernel is clean, the configuration stays" remove
step "installed again: online with the old configuration" again
step "purge: no trace, and what is not ours is as before" purge
exit $failed
