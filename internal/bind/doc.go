// Package bind makes sockets that are tied to one uplink: by device
// (SO_BINDTODEVICE), by mark (SO_MARK) and by source address. All three are
// needed: the device chooses the wire and the oif rule, the mark keeps the flow
// on its uplink for conntrack and policy rules, the address keeps the reply
// from going elsewhere. It owns no state and resolves no names.
package bind
