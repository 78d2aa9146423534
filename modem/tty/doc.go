// Package tty is one port of a modem:
//
//	tty      internal/serial, or anything with deadlines          port.go
//	trace    what passed, without secrets, in a bounded ring      trace.go
//	filter   modem/filter in goroutines and with deadlines        wire.go
//	library  github.com/warthog618/modem/at, unchanged            engine.go
//	queue    one caller, priorities, contexts, deadlines          queue.go
//
// Every command goes through at.AT, the probes after a command that was not
// answered as well (resync.go). What of the library is not used: its
// indications, Init, and its packages gsm, serial and trace.
//
// A Port has three goroutines beside the three of the library: one reads the
// tty, one hands out unsolicited codes, one carries out commands. All of them
// end with Close, or with the port.
package tty
