// Package journal keeps the last events of the daemon in memory, bounded, and
// hands them to whoever follows. It writes nothing to flash: what must outlive
// the process goes to the log of the service manager.
package journal
