// Package simnet is a network without a network, for tests: a virtual clock
// that skips from event to event, a model of the kernel's routing that refuses
// what the kernel refuses, lines that fail in the ways of real ones, and an
// Oracle that watches them.
//
// The Oracle judges what a packet of a LAN client would meet: the kernel
// model's path over the true state of the lines. It shares no code with
// netif/health and netif/failover and does not see their verdicts; it knows the
// promises only as durations.
//
// Everything is a function of the seed. No goroutines, no clock of the host.
package simnet
