// Package drive runs one modem: it shows the pure machine what holds and what
// happened, and carries out what the machine wants: ports, commands, data
// planes, levers, what must be kept. It holds no policy.
//
// A Driver is one goroutine (Run) and one more for each thing that may wait: a
// port's URCs, a command in flight, a data plane. They come back to Run as
// events. Level, Ask and Status may be called from any goroutine.
package drive
