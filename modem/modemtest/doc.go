// Package modemtest is the emulated 4G modem: it speaks AT on any
// io.ReadWriter (net.Pipe in virtual time, a pty, /dev/ttyGSn in a VM), has a
// SIM card, a network and a data plane, and a table of faults that can be
// switched on and off while it runs.
//
// One Modem has several ports with one state behind them, as a module has. Who
// uses it sees three sides: the wire (Serve), the world (network, SIM card,
// power, faults) and the record (every command with its time, counters).
//
// A Personality is a module family as data: its USB compositions, its answer
// formats, its vendor command sets, its quirks. Formats follow public
// captures and vendor documents; Personality.Source says which. Whatever
// identifies a subscriber is made up.
//
// It owns no address, no DHCP server and no tun device: Options.Data tells the
// lab what the data plane does, and the lab does it.
//
// Concurrency: a Modem may be used from several goroutines. Callbacks of
// Options run one after the other, without the lock, in the order of what
// caused them; they may call the Modem, but should not wait in it.
package modemtest
