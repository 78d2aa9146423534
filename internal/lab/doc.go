// Package lab builds networks out of Linux network namespaces: for the tests
// that need a real kernel and for cmd/luatnet-lab. It needs neither root nor
// the ip program: without root it enters a user namespace first. Everything
// happens in namespaces that it made itself, and ends with the process.
//
// A test binary that uses it calls Main from TestMain; a program calls Enter
// first thing. Both start the process again inside fresh user (if not root),
// mount and network namespaces.
package lab
