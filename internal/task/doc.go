// Package task supervises the long-running parts of the daemon: it starts
// them, catches their panics, restarts them with a growing pause and stops
// them. A part that fails never takes another one down.
package task
