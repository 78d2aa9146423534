// Package lease is the DHCPv4 client of one uplink as a pure state machine
// (RFC 2131 §4.4): events with their time go in, actions come out. It owns
// every decision of the client: when to send what, which offer to take, how
// long a lease is believed, what is remembered. It opens no socket, reads no
// clock and draws no random number of its own; netif/dhcp does that for it.
//
//	         carrier                      offers collected
//	DOWN ───────────────► INIT ──DISCOVER──► SELECTING ──REQUEST──► REQUESTING
//	 │                     ▲ ▲                ▲   ▲                  │     │
//	 │ carrier, a lease    │ │ NAK, expiry,   │   │ no ACK           │     │ NAK
//	 │ is remembered       │ │ conflict       │   └──────────────────┘     ▼
//	 ▼                     │ │                │                    ACK    INIT
//	INIT-REBOOT ─REQUEST─► REBOOTING ─silent──┘                     │
//	 ▲                     │ ACK                                    ▼
//	 │                     └────────────────────────────────────► CHECKING
//	 │ carrier back                                                 │ nobody answers
//	 │                                                              ▼ an ARP probe
//	DOWN ◄──carrier lost── any                                    BOUND
//	                                                                │ T1 ▲ ACK
//	                                                                ▼    │
//	                         INIT ◄──NAK, expiry── REBINDING ◄─T2─ RENEWING
//
// STOPPED ends it. CHECKING is not a state of the RFC: the address is granted,
// but not used before the ARP probes of RFC 5227 have gone unanswered.
//
// # A lease and a state are two things
//
// The lease in use (Bound was said and Lost was not) outlives some states. The
// carrier may be away for less than CarrierGrace; when it returns the machine
// asks again (INIT-REBOOT) while traffic goes on. It is also in use while a
// server that does not answer that question is looked for by DISCOVER. It ends
// by expiry, NAK, conflict, a longer loss of carrier or the device, another
// address, or Release, and each of these says Lost in the same step.
//
// # What is sent how
//
// BOUND and RENEWING send by a UDP socket with the leased address, everything
// else by the packet socket, which is open in every state but DOWN, BOUND and
// STOPPED: the NAK of a renewal comes by broadcast.
package lease
