// Package serve runs the servers that devices in a LAN connect to: TCP for one
// client, TCP for many, and UDP. They are targets of the hub (what a source
// sends goes to the clients) and sources of received data, which has no prefix.
//
// A server is bound to the LAN's device and address and to nothing else: no
// uplink reaches it, whatever the firewall says. It is made anew when the
// device, its index or its address changes, and is gone while the link is down.
//
// Each client is served by two goroutines of its own; one that is slow, dead
// or broken ends alone. What clients send is never looked at for commands.
package serve
