// Package serve runs the DHCPv4 server of one LAN: it owns the sockets, the
// lease log and the clock of a dhcpsrv.Table, which decides everything.
//
// # Sockets
//
// One UDP socket on port 67, bound to the device, receives; the kernel checks
// lengths and checksums, and renewals by unicast arrive. It also sends to
// clients that have their address. One packet socket, opened once, sends to
// those that have none: to their hardware address, without a neighbour entry,
// because the neighbour table is one for the whole machine and its limit would
// become the limit of the LAN. Another packet socket asks and listens by ARP.
// A device that is missing, down or replaced is waited for, also at start.
//
// # Concurrency
//
// One loop, in Run, reads packets in order, decides and sends. A second
// goroutine writes the log, so that a slow flash never delays an OFFER; an ACK
// waits for it, for a second or two at most. Two more wait on sockets and pass
// packets on, through channels of 64: when these are full the packets wait in
// the kernel's buffer. Update, Leases, Status and Events may be called from
// anywhere at any time, and never wait for the network or the disk.
package serve
