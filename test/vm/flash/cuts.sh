#!/bin/bash
# Runs in the VM: cuts.sh FS CUTS SEED. A power cut is a copy of the device taken
# while the writer is frozen between two calls; what the kernel has not yet
# written is not in it. The copy is written back, mounted and judged. The flash
# is small, so that it is full soon.
set -u
fs=$1 cuts=$2
RANDOM=$3
life=4 # cuts in one life of the writer
rc=0
ok() { echo "ok   $fs $*"; }
bad() { echo "FAIL $fs $*"; rc=1; }
must() { "$@" || { bad "$*: status $?"; exit 1; }; }

# --- jffs2 on 2 MiB of RAM that pretends to be NOR ---
setup_jffs2() {
	must modprobe -a mtdblock jffs2
	must modprobe mtdram total_size=2048 erase_size=64
	j=$(awk -F: '/mtdram/{print $1}' /proc/mtd)
}
wipe_jffs2() { must flash_erase -q "/dev/$j" 0 0; }
mount_jffs2() { mount -t jffs2 "/dev/mtdblock${j#mtd}" /mnt; }
copy_jffs2() { cat "/dev/$j"; }
back_jffs2() { must flash_erase -q "/dev/$j" 0 0 && must flashcp "$1" "/dev/$j"; }
gone_jffs2() { :; }

# --- ubifs on 5 MiB of a simulated NAND with small pages ---
setup_ubifs() {
	must modprobe nandsim first_id_byte=0x20 second_id_byte=0x33 parts=320
	must modprobe -a ubi ubifs
	u=$(awk -F: '/NAND simulator partition 0/{print $1; exit}' /proc/mtd)
}
wipe_ubifs() {
	must ubiformat -q -y "/dev/$u"
	must ubiattach -p "/dev/$u" >/dev/null
	must ubimkvol /dev/ubi0 -N data -s 3MiB >/dev/null
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

# nap SPREAD LEAST: some milliseconds.
nap() { sleep "$(printf '0.%03d' $((RANDOM % $1 + $2)))"; }

# cut MODE FIRST LAST: one life of the writer; some copies of it, each judged.
# Flat out, in mode disk, it does much in little time.
cut() {
	local mode=$1 first=$2 last=$3 i pid what
	"wipe_$fs"; must "mount_$fs"; rm -rf /tmp/run
	flash write "$mode" /tmp/run /mnt/queue >/tmp/log & pid=$!
	while alive $pid && ! grep -q synced /tmp/log; do sleep 0.05; done
	for ((i = first; i <= last; i++)); do
		case $mode in disk) nap 200 5 ;; spill) nap 400 300 ;; esac
		freeze $pid || { bad "$mode: the writer ended: $(tail -1 /tmp/log)"; break; }
		copy "$fs" /tmp/cut$i; cp /tmp/log /tmp/log$i
		kill -CONT $pid
	done
	kill -9 $pid; wait $pid 2>/dev/null
	umount /mnt; "gone_$fs"
	for ((i = first; i <= last; i++)); do
		[ -e /tmp/log$i ] || break
		"back_$fs" /tmp/cut$i; rm -rf /tmp/run
		"mount_$fs" || { bad "$mode, cut $i: does not mount"; "gone_$fs"; continue; }
		if what=$(flash check "$mode" /tmp/run /mnt/queue /tmp/log$i); then ok "$mode, cut $i: $what"; else bad "$mode, cut $i: $what"; fi
		umount /mnt; "gone_$fs"
		rm -f /tmp/cut$i /tmp/log$i
	done
}

# lives MODE CUTS: as many lives as the cuts take.
lives() {
	local n
	for ((n = 1; n <= $2; n += life)); do cut "$1" $n $((n + life - 1 < $2 ? n + life - 1 : $2)); done
}

# full MODE: filled, room made, filled again.
full() {
	local what
	"wipe_$fs"; must "mount_$fs"; rm -rf /tmp/run
	head -c 600000 /dev/urandom >/mnt/filler; sync
	if what=$(flash fill "$1" /tmp/run /mnt/queue /mnt/filler); then ok "$1, filled: ${what//$'\n'/; }"; else bad "$1, filled: ${what//$'\n'/; }"; fi
	umount /mnt; "gone_$fs"
}

mkdir -p /mnt
"setup_$fs"
lives disk "$cuts"
full disk
lives spill $(((cuts + 1) / 2))
full spill
exit $rc
