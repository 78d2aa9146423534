// Package hub joins sources, targets and sinks: it hands what a source sends
// to the targets its routes name, and what was received to the sinks. It keeps
// no message: a target takes it or refuses it, and gives exactly one result
// for each it took. Connections and LAN servers are targets today; whatever
// takes a message and returns one result can be one.
//
// Methods may be called from any goroutine. Send and Deliver run in the
// caller's goroutine, outside of the hub's lock.
package hub
