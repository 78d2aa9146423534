// Package usb knows the modems on the USB: what is plugged in, as whole
// snapshots of [modem.Device] read from sysfs, and the levers that move a modem
// from outside (the option driver's new_id, autosuspend, rebind, port power).
// It also keeps ModemManager off the devices that are ours.
//
// A [Watcher] reads sysfs when it starts and when the kernel says by a uevent
// that something has changed; a lost event makes it read again. It never polls.
// What is no USB device (ttyS) is never looked at.
//
// Nothing here decides: which device is a modem, when it is complete and when
// to pull a lever is the business of package modem and of modem/drive. What
// needs root goes through a function that the caller gives.
//
// # Concurrency
//
// Run owns the watcher's state; Devices may be received from by one goroutine.
// Levers may be used by any goroutine; they block until the kernel is through.
package usb
