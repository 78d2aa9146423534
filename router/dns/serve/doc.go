// Package serve gives router/dns its sockets: listeners on the LANs, one
// connected socket for each question to a server, one timer. It decides
// nothing about names; router/dns does, as a pure machine behind one lock.
//
// Goroutines: one per listening UDP socket, one per TCP listener, two per TCP
// connection, one per open question to a server. All are bounded by the
// machine's bounds and by maxConns, and all end before Run returns. Callers
// may use every method from any goroutine, before, while and after Run.
//
// Questions leave through the uplink's device, mark and address, from a port
// and with an id that an attacker has to guess. Listeners are bound to the
// LAN's device and address, so that nothing is answered on an uplink.
package serve
