// Package client holds the words and the decisions of long connections, as
// LuatOS's socket, libnet and long-connection framework know them: the states,
// events and codes of a socket, the session machine of one connection, frames,
// prefixes, placeholders and the network watchdog's ladder.
//
// It is pure: time and randomness are arguments, bytes go in and come out.
// Sockets are in client/sock, running connections in client/conn, what is
// accepted and not yet confirmed in client/queue, serial ports and local
// programs in client/port and client/local, LAN servers in client/serve.
// They meet in client/hub.
package client
