// Package ctl is the control API: versioned JSON over HTTP on a Unix socket
// (docs/api.md), and its Go client. It holds no state of the daemon: answers
// come from the published status document and from the loop.
package ctl
