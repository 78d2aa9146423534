// Package rtnl is the sensor for links, addresses, routes and rules: it follows
// rtnetlink and hands out whole snapshots. It changes nothing.
//
// Links are taken from the notifications themselves, so that the loss of a
// carrier is known without asking back. For addresses, routes and rules a
// notification only says that something moved; the tables are then read again.
// IPv4 drops the routes of a link that goes down without a word, a replaced
// route is announced as a new one, and a secondary address becomes the primary:
// a copy kept up to date by events would be wrong in each case, a read is not.
//
// A filter in the kernel leaves out routes that are neither a default nor ours,
// so a foreign routing daemon with a full table costs nothing until a table is
// read. After an overrun (ENOBUFS) everything that is queued is thrown away and
// everything is read again.
//
// # Meanings
//
// Carrier is IFF_UP, IFF_LOWER_UP and an operational state of "up" or "unknown"
// (modems and tunnels never say more). "dormant" is not carrier: 802.1X or
// WPA has not finished. Addresses that IPv6 still checks, or found to be taken,
// are left out: nothing can be sent from them.
//
// # Concurrency
//
// Run owns the state. A reader and a dumper work beside it, so a table that is
// slow to read (another process holds the kernel's lock) does not delay a
// carrier event. The channel of Snapshots holds the latest one only.
package rtnl
