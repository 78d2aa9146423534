// Package dhcpsrv decides what a DHCPv4 server of one LAN answers: the lease
// table, the choice of addresses, and the bytes of every reply. It is pure:
// the caller (dhcpsrv/serve) brings packets, ARP observations and the time,
// and carries out what is in Output. It owns no socket, file or clock.
//
// # The Table
//
// An address of the LAN is in one of these states:
//
//	          DISCOVER             REQUEST
//	free ───────────────► offered ─────────► bound ──► expired ─► reused, the
//	 ▲    (probed by ARP)    │                 │  ▲        │      oldest first
//	 │       15 s, NAK,      │         RELEASE │  │ REQUEST│
//	 ├───────────────────────┘                 ▼  │        │
//	 │                                      released ──────┘
//	 └──── after 30 min ──── quarantined ◄── DECLINE, or an ARP answer
//
// Offers live in a table of their own and never in the log. A binding is
// remembered after its end, so that a client gets its old address back for as
// long as nobody else needs it.
//
// A gateway is the only DHCP server of its LAN, so the table is authoritative
// (RFC 2131 §4.3.2): it refuses a wrong address at once, and it adopts a client
// that asks for a free one of the pool although the table does not know it,
// which is what repairs a lost lease file.
//
// Identifiers S1…S60 and N01…N36 in comments and tests are the rows of the
// project's DHCP requirements; the RFC sections stand beside them where they
// explain the code.
//
// # Time and records
//
// now counts from boot (see netif). Records carry a duration, the boot it was
// measured in and when: after a reboot of a machine without a clock a lease
// gets what remained again, since dropping it early would give one address to
// two clients.
//
// A Table is not safe for concurrent use.
package dhcpsrv
