// Package kernel makes the kernel equal to a router.Plan: it reads what is
// ours (protocol 76, the two nftables tables by name) and executes router.Op.
// It decides nothing: what to do comes from router.Diff, in its order.
//
// # Goroutines and namespaces
//
// A Kernel belongs to one goroutine at a time, normally that of Applier.Run.
// Every call works in the network namespace of the calling thread and every
// socket is opened there, also after an error, so a test may lock a goroutine
// into a namespace. Two goroutines of its own hold a socket and a channel and
// nothing else: the nftables listener and the nudger.
//
// # Connections
//
// After any error that is not the kernel's plain answer to one request (a
// timeout, a lost answer, ENOBUFS) the socket is closed, opened anew and the
// state is read back: ENOBUFS means that the kernel may have obeyed.
package kernel
