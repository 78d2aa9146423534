// Package dns is the forwarder that the LAN's clients ask, as a pure state
// machine: messages, instants and decisions in; messages out. It owns the wire
// format, the cache, the local names, the names that never leave the house,
// the choice of the upstream server and every deadline. It opens no socket and
// reads no clock; router/dns/serve does both.
//
// # One query
//
//	Query ─► parse ─► local names ─► special names ─► cache ─► join or start a flight
//	           │           │               │             │              │
//	        refusal     answer          answer        answer       asks to servers
//
//	flight:  0        hedge       300 ms     1 s      1.8 s      2.5 s     4.5 s
//	         best ──► second ──► all good ─► all ──► stale ────► all ────► SERVFAIL
//	         (hedge = twice the best server's round trip, 50 to 300 ms)
//
// A flight ends with the first good answer. SERVFAIL, REFUSED, garbage and
// refused connections move on to the next server at once; when every server
// said so, the client hears it at once. Identical questions share one flight.
//
// # Uplinks
//
// A question belongs to the first uplink of SetUpstreams that its LAN may use.
// The cache keeps answers per uplink, since content networks and split zones
// answer differently on each. When an uplink leaves the list, its open
// questions are asked again on the new one at once; its cached answers stay
// for the case that nobody answers (RFC 8767).
//
// Everything is bounded: cache by bytes, open questions in total and per
// client, open asks, hops of a compressed name.
package dns
