// Package local is what on this machine talks to connections besides serial
// ports: a timer and a status report as sources, Unix sockets for programs, and
// the short connection that sends once, waits for an answer and closes.
package local
