// Package filter stands between a modem's tty and the AT library. It reads
// the command in flight from what the library writes and tells the lines of
// the modem apart: the answer goes to the library, in a form that it cannot
// misunderstand; unsolicited result codes go to a bounded queue, in order; the
// rest is counted and dropped. It also hides secrets from traces.
//
// It is pure: bytes in, bytes out. Deadlines, goroutines and the way back after
// a command that was not answered are in modem/tty. It speaks no AT of its own:
// whatever is sent was written by the library.
//
//	         Send "AT+CSQ\r\n"            a final result code
//	idle ───────────────────► in flight ─────────────────────► idle
//	                              │  CONNECT after a dial
//	                              └──────────────────────────► data
//	Unsure (no answer in time): from either to unsure, where only known
//	unsolicited codes are let out; Sure leads back to idle.
package filter
