// Package dhcp runs the DHCPv4 client of one uplink: the sockets and timers
// around the state machine of netif/lease. It decides nothing that the machine
// could decide, and it changes nothing in the kernel: addresses and routes are
// set by the router room, from the leases that Events hands over.
//
// Sockets. A UDP socket on port 68, bound to the device, is open as long as the
// device exists: renewals leave by it with the leased address as their source,
// and a scan of the port gets no answer. A packet socket with a filter is open
// while there is no lease and while any server is looked for, and closed while
// BOUND, when it would cost CPU on a busy link. A second one receives ARP while
// an address is probed or announced. All are bound to the device, so two
// uplinks may have the same subnet, gateway or even address.
//
// Concurrency. Run owns the machine; each socket has one reader goroutine that
// ends when the socket is closed, and Run waits for them. Link, Renew, Restart
// and Avoid never block: the latest value wins, but a carrier that was away
// between two values is not forgotten. Events holds 16 values; when nobody
// reads them, Run waits (and DHCP with it): a lost lease is never dropped.
package dhcp
