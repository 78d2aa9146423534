// Package status is the one status document: what the daemon knows, decided
// and sees in the kernel, as a value that is published atomically once a turn,
// and its renderings for people. It is pure; field names are part of the
// control API (docs/api.md) and only grow.
package status
