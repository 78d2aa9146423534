// Package probe asks whether the world is reachable through one uplink. Every
// socket is tied to the uplink's device, mark and address, so each uplink is
// asked over its own wire, even where two have the same address. No program is
// started and no name is resolved.
//
// What the kinds of targets prove:
//
//   - http: a plain GET to a literal IP gets the expected document. A redirect
//     or another document is a captive portal, hence a failure. The strongest.
//   - tcp: a connection is accepted or refused. A refusal came from the far
//     side, so the path works; from the gateway itself it proves nothing
//     beyond it and counts as failure.
//   - dns: a server answers a question about the root, with our identifier and
//     our question in it. SERVFAIL and REFUSED are failures: a router without
//     upstream says so about itself.
//   - icmp: an echo reply with our identifier, sequence number and token comes
//     from the target over the uplink's device. Replies to anybody else's ping
//     do not count.
//   - gateway: the next hop answers ARP, or an echo where there is no ARP. It
//     says nothing about the world behind it. The weakest.
//
// A probe that cannot be sent (device or address gone, no route) is a failure
// with the reason.
package probe
