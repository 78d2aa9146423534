#!/bin/bash
# Runs in the VM: cuts.sh SEED. A power cut is a copy of the device taken while
# the writer is frozen between two calls; what the kernel has not yet written is
# not in it. The copy is written back, mounted and judged.
set -u
RANDOM=${1:-1}
cuts=${CUTS:-5}
rc=0
ok() { echo "ok   $*"; }
bad() { echo "FAIL $*"; rc=1; }
must() { "$@" || { bad "$*: status $?"; exit 1; }; }

# --- jffs2 on 4 MiB of RAM that pretends to be NOR ---
setup_jffs2() {
	must modprobe -a mtdblock jffs2
	must modprobe mtdram total_size=4096 erase_size=64
	j=$(awk -F: '/mtdram/{print $1}' /proc/mtd)
}
wipe_jffs2() { must flash_erase -q "/dev/$j" 0 0; }
mount_jffs2() { mount -t jffs2 "/dev/mtdblock${j#mtd}" /mnt; }
copy_jffs2() { cat "/dev/$j"; }
back_jffs2() { must flash_erase -q "/dev/$j" 0 0 && must flashcp "$1" "/dev/$j"; }
gone_jffs2() { :; }

# --- ubifs on a simulated NAND of 16 MiB with small pages ---
setup_ubifs() {
	must modprobe nandsim first_id_byte=0x20 second_id_byte=0x33
	must modprobe -a ubi ubifs
	u=$(awk -F: '/NAND simulator/{print $1; exit}' /proc/mtd)
}
wipe_ubifs() {
	must ubiformat -q -y "/dev/$u"
	must ubiattach -p "/dev/$u" >/dev/null
	must ubimkvol /dev/ubi0 -N data -s 6MiB >/dev/null
}
mount_ubifs() {
	[ -e /dev/ubi0 ] || must ubiattach -p "/dev/$u" >/dev/null
	mount -t ubifs ubi0:data /mnt
}
copy_ubifs() { nanddump -q --omitoob "/dev/$u" 2>/dev/null; }
back_ubifs() { must flash_erase -q "/dev/$u" 0 0 && must nandwrite -q --skip-all-ffs "/dev/$u" "$1"; }
gone_ubifs() { must ubidetach -p "/dev/$u"; }

# --- ext4 in a file: what was not written through the loop device is not in it ---
setup_ext4() { must modprobe -a loop ext4; cp ext4.img /tmp/clean.img; }
wipe_ext4() { cp /tmp/clean.img /tmp/ext4; }
mount_ext4() { mount -o loop /tmp/ext4 /mnt; }
copy_ext4() { cat /tmp/ext4; }
back_ext4() { cp "$1" /tmp/ext4; }
gone_ext4() { :; }

# alive says whether the writer still runs; a dead one is a zombie until waited for.
alive() { ! grep -q '^State:[[:space:]]*[ZX]' /proc/"$1"/status 2>/dev/null && [ -d /proc/"$1" ]; }

# freeze waits until no thread of process $1 is in the kernel any more.
freeze() {
	kill -STOP "$1"
	while alive "$1" && awk '{ sub(/.*\) /, ""); if ($1 != "T") found = 1 } END { exit !found }' /proc/"$1"/task/*/stat; do :; done
	alive "$1"
}

# copy takes a copy that no kernel thread has changed meanwhile: two that are equal.
copy() {
	"copy_$1" >"$2"
	until "copy_$1" | cmp -s - "$2"; do "copy_$1" >"$2"; done
}

# cut FS MODE CUTS: one life of the writer, some copies of it, each judged.
cut() {
	local fs=$1 mode=$2 cuts=$3 i pid what
	"wipe_$fs"; must "mount_$fs"; rm -rf /tmp/run
	flash write "$mode" /tmp/run /mnt/queue >/tmp/log & pid=$!
	for ((i = 1; i <= cuts; i++)); do
		sleep "0.$((RANDOM % 400 + 300))"
		[ $i -gt 1 ] || while alive $pid && ! grep -q synced /tmp/log; do sleep 0.1; done
		freeze $pid || { bad "$fs $mode: the writer ended: $(tail -1 /tmp/log)"; break; }
		copy "$fs" /tmp/cut$i; cp /tmp/log /tmp/log$i
		kill -CONT $pid
	done
	kill -9 $pid; wait $pid 2>/dev/null
	umount /mnt; "gone_$fs"
	for ((i = 1; i <= cuts; i++)); do
		[ -e /tmp/log$i ] || break
		"back_$fs" /tmp/cut$i; rm -rf /tmp/run
		"mount_$fs" || { bad "$fs $mode, cut $i: does not mount"; "gone_$fs"; continue; }
		if what=$(flash check "$mode" /tmp/run /mnt/queue /tmp/log$i); then ok "$fs $mode, cut $i: $what"; else bad "$fs $mode, cut $i: $what"; fi
		umount /mnt; "gone_$fs"
		rm -f /tmp/cut$i /tmp/log$i
	done
}

# full FS MODE: filled, room made, filled again.
full() {
	local fs=$1 mode=$2 what
	"wipe_$fs"; must "mount_$fs"; rm -rf /tmp/run
	head -c 1000000 /dev/urandom >/mnt/filler; sync
	if what=$(flash fill "$mode" /tmp/run /mnt/queue /mnt/filler); then ok "$fs $mode, filled: ${what//$'\n'/; }"; else bad "$fs $mode, filled: ${what//$'\n'/; }"; fi
	umount /mnt; "gone_$fs"
}

mkdir -p /mnt
for fs in ${FS:-jffs2 ubifs ext4}; do
	"setup_$fs"
	cut "$fs" disk "$cuts"
	full "$fs" disk
	cut "$fs" spill $(((cuts + 1) / 2))
	full "$fs" spill
	echo "$fs took $SECONDS s"
done
exit $rc
