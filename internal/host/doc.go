// Package host is where the daemon meets the machine it runs on: its clocks,
// the service manager (systemd's notify socket and watchdog) and the identity
// of this boot. It decides nothing.
package host
