#!/bin/bash
# nspawn.sh [-t SEC] SCRIPT [FILES...]: runs SCRIPT as root in a throw-away
# Debian 12 with systemd as PID 1, FILES beside it. Returns its exit status;
# 124 is the time limit, 125 that this machine cannot run it (the reason is the
# last line on standard error). No network inside but lo. The Debian is made
# once, in $VM_CACHE.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
t=300
if [ "${1-}" = -t ]; then t=$2; shift 2; fi
[ $# -ge 1 ] && [ -f "$1" ] || vm_die "usage: nspawn.sh [-t SEC] SCRIPT [FILES...]"
[ "$(id -u)" = 0 ] || vm_die "needs root"
mkdir -p "$VM_CACHE"
exec 9>"$VM_CACHE/nspawn-lock"; flock 9

command -v mmdebstrap >/dev/null && command -v systemd-nspawn >/dev/null || {
  command -v apt-get >/dev/null || vm_die "needs mmdebstrap and systemd-nspawn"
  vm_install mmdebstrap systemd-container
}

packages=systemd-sysv,dbus,udev,iproute2,iputils-ping,nftables,procps,kmod,udhcpc
root=$VM_CACHE/install-$(echo "$packages" | sha256sum | cut -c1-16)
if [ ! -d "$root" ]; then
  rm -rf "$root.new"
  mmdebstrap --variant=minbase --include="$packages" --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$root.new" >"$VM_CACHE/mmdebstrap.log" 2>&1 ||
    vm_die "no Debian: $(tail -1 "$VM_CACHE/mmdebstrap.log")"
  mv "$root.new" "$root"
fi

w=$(mktemp -d "${TMPDIR:-/tmp}/nspawn.XXXXXX") || exit 125
trap 'rm -rf "$w"' EXIT
script=$(basename "$1"); mkdir -p "$w/job"; cp -L "$@" "$w/job/" || exit 125
chmod +x "$w/job/$script"; : >"$w/log"; echo 124 >"$w/rc"
cat >"$w/start" <<END
cd /job; export HOME=/root
./$script </dev/null >/vm/log 2>&1
echo \$? >/vm/rc
systemctl poweroff --no-block
END
printf '[Unit]\nRequires=multi-user.target\nAfter=multi-user.target\n[Service]\nExecStart=/bin/bash /vm/start\nKillMode=process\n' >"$w/vmjob.service"
timeout -k 5 "$t" systemd-nspawn --quiet --register=no --keep-unit --private-network --volatile=overlay --console=read-only \
  --directory="$root" --bind="$w:/vm" --bind="$w/job:/job" --bind-ro="$w/vmjob.service:/etc/systemd/system/vmjob.service" \
  --boot systemd.unit=vmjob.service </dev/null >"$w/console" 2>&1 &
pid=$!
tail -n +1 -f -s 0.2 --pid=$pid "$w/log"; wait $pid
# A machine that cannot boot it at all did not run the test; one that stops in
# the middle of it failed.
[ -s "$w/log" ] || vm_die "systemd does not boot in a container here: $(tail -1 "$w/console")"
exit "$(<"$w/rc")"
