// Package netns holds the tests of the real daemon on the real kernel: real
// packets, foreign clients and foreign servers, in network namespaces that the
// tests make themselves. Each test stands for lines of the issue or rows of
// docs/parity.md, named in its comment.
package netns
