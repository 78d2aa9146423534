// Package router computes the desired state of the kernel: addresses, routes,
// rules, nftables, sysctls, and what a switch kills. It is pure. Build makes a
// whole Plan from nothing each time; Diff compares it with what was read back
// from the kernel and gives the operations in the order in which they are
// safe. router/kernel reads and executes.
//
// All marks, table and preference numbers live in marks.go and nowhere else.
package router
