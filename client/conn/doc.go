// Package conn runs connections: for each, one goroutine owns the machine of
// package client and does what it orders, one reads the socket, and one writes
// while there is something to write. What is accepted goes into the
// connection's queue first; it gets exactly one result.
package conn
