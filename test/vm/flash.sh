#!/bin/bash
# The queue on real flash: jffs2, ubifs and ext4 in the VM, cut off at random
# instants and filled to the last byte. Prints ok and FAIL lines; the exit
# status says whether all held. Where no VM can be made it says so in one line
# that begins with "not run:" and ends with status 77.
#     test/vm/flash.sh [SEED]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin GOTOOLCHAIN=auto
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT

none() { echo "not run: the queue on real flash, for want of $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null || none "Debian on amd64"
"$here/run.sh" -x >"$w/build.log" 2>&1 || { tail -5 "$w/build.log" >&2; none "a virtual machine: see above"; }
command -v mke2fs >/dev/null || none e2fsprogs

CGO_ENABLED=0 ${GO:-go} build -o "$w/flash" "$here/flash"
# The guest has no mke2fs. The journal is there, as on an eMMC.
truncate -s 12M "$w/ext4.img" && mke2fs -q -F -t ext4 -b 1024 -J size=1 "$w/ext4.img"
seed=${1:-$RANDOM}
echo "seed $seed"
"$here/run.sh" -t 300 -T 300 ${FS:+-e "FS=$FS"} ${CUTS:+-e "CUTS=$CUTS"} "$here/flash/cuts.sh" "$w/flash" "$w/ext4.img" -- "$seed"
