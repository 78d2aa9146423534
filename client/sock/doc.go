// Package sock is one socket as LuatOS's socket and libnet see it: TCP, UDP,
// TLS or DTLS, tied to an uplink, resolved through that uplink's DNS, with
// keep-alive that is really set, confirmation of what the other end's TCP has
// acknowledged, and a cause in words for every end.
//
// Dial makes a connection, Conn is one. Ctrl is LuatOS's blocking interface on
// top of them. Nothing here starts a goroutine that outlives its call, except for
// DTLS, whose library keeps three until the connection is closed.
package sock
