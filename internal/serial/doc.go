// Package serial opens a serial port as a raw byte stream: line settings,
// flow control, RS-485 direction, deadlines, and who else uses it. A port that
// is unplugged is waited for without polling.
//
// A Port is read by one goroutine and written by another; deadlines and Close
// may be used by any.
package serial
