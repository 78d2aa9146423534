// Package openwrt holds the tests of the .ipk and the .apk: what is in them, by
// tar and by checksum, and their scripts under busybox in a file system of
// their own, with stand-ins for procd and rc.common. OpenWrt itself is not
// here: that opkg, apk and procd take it stays to be tried on a real box.
package openwrt
