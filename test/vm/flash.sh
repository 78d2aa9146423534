#!/bin/bash
# The queue on real flash: jffs2, ubifs and ext4, each in a VM of its own and all
# at once, cut off at random instants and filled to the last byte. Prints ok and
# FAIL lines; the exit status says whether all held. Where no VM can be made it
# says so in one line that begins with "not run:", status 77.
#     [FS="jffs2 ext4"] [CUTS=N] test/vm/flash.sh [SEED]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
export PATH=$PATH:/usr/sbin:/sbin GOTOOLCHAIN=auto
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
cuts=${CUTS:-2} seed=${1:-$RANDOM}
vm_possible "the queue on real flash" || exit 77

CGO_ENABLED=0 ${GO:-go} build -o "$w/flash" "$here/flash" || exit 1
# The guest has no mke2fs. The journal is there, as on an eMMC.
truncate -s 4M "$w/ext4.img" && mke2fs -q -F -t ext4 -b 1024 -J size=1 "$w/ext4.img" || exit 1
echo "seed $seed, $cuts cuts"
vms=()
for fs in ${FS:-jffs2 ubifs ext4}; do
	"$here/run.sh" -V -t $((300 + 20 * cuts)) -T $((900 + 60 * cuts)) "$here/flash/cuts.sh" "$w/flash" "$w/ext4.img" -- "$fs" "$cuts" "$seed" >"$w/$fs" 2>&1 &
	vms+=("$fs:$!")
done
rc=0
for vm in "${vms[@]}"; do
	wait "${vm#*:}" || rc=1
	cat "$w/${vm%:*}"
done
exit $rc
