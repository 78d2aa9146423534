// Package data runs the data planes of a modem behind one interface: a netdev
// that the module dials itself (ECM, RNDIS, NCM), PPP by pppd on a tty that has
// been dialled, QMI by uqmi or qmicli, MBIM by umbim or mbimcli.
//
// Programs are started to bring data up and to take it down, never while it
// flows; each has a deadline, after which its process group is killed. pppd
// runs for as long as the session does, in a session of its own: it outlives
// this process, also by kill -9, and the next one adopts it. What is needed for
// that lies in files of Env.Dir.
//
// Addresses and routes are not made here: a plane reports what the network
// gave ([modem.DataChanged]). pppd is the exception, it configures its device
// itself, without a default route.
//
// Secrets go into a file of mode 0600, never into an argument.
//
// # Concurrency
//
// The methods of a plane are called by one goroutine. Start and Adopt return as
// soon as the work is under way; what comes of it is sent to Changes.
package data
