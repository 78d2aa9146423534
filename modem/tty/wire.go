package tty

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/filter"
)

type filterState = filter.Filter

// writeTime is how long the tty may refuse bytes. A modem that takes none for
// that long has hung: its buffers alone hold 2 to 16 kB.
const writeTime = 2 * time.Second

// emptyPause is the pause after a read of nothing, which no tty of ours gives
// (VMIN is 1), but a Conn may.
const emptyPause = 5 * time.Millisecond

// wire is the filter between tty and library. The library reads and writes it.
type wire struct {
	conn  Conn
	trace *ring
	fail  func(error)
	heard chan struct{} // room for one: an unsolicited code waits

	mu      sync.Mutex
	changed *sync.Cond // answer, mode and sink
	filter  filter.Filter
	answer  []byte // for the library; bounded by filter.MaxAnswer
	mode    mode
	sink    io.Writer // takes what comes while the port is lent out
	strayAt time.Time // of the last bytes that were nobody's
	early   []byte    // came behind CONNECT
}

// mode is who reads the tty.
type mode int

const (
	reading mode = iota
	data         // nobody: the bytes are another's
	stopped
)

func newWire(conn Conn, fail func(error)) *wire {
	w := &wire{conn: conn, trace: &ring{}, fail: fail, heard: make(chan struct{}, 1), strayAt: time.Now()}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// Read gives the library its answers. It never returns (0, nil), a hundred of
// which end the library.
func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.answer) == 0 && w.mode != stopped {
		w.changed.Wait()
	}
	if w.mode == stopped || len(b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, w.answer)
	w.answer = w.answer[n:]
	return n, nil
}

// Write sends what the library writes. A port that takes nothing is at an end:
// the library would wait for ever.
func (w *wire) Write(b []byte) (int, error) {
	out, err := w.send(b)
	if err != nil {
		return 0, err
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := w.conn.Write(out); err != nil {
		err = cause(err)
		w.fail(err)
		return 0, err
	}
	return len(b), nil
}

func (w *wire) send(b []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mode != reading || w.sink != nil {
		return nil, ErrData
	}
	out, err := w.filter.Send(b)
	if err == nil {
		w.trace.add(sent, out)
	}
	if w.filter.Dialling() {
		w.wake() // the reader goes on byte by byte
	}
	return out, err
}

// cause is an error of the tty in package modem's words.
func cause(err error) error {
	if isTimeout(err) {
		return modem.ErrStuck
	}
	return modem.ErrGone
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// wake ends the reader's Read. With mu held, so that it is not undone by ready.
func (w *wire) wake() { _ = w.conn.SetReadDeadline(time.Unix(1, 0)) }

// read reads the tty until its end.
func (w *wire) read() {
	buf := make([]byte, 4096)
	for {
		size, ok := w.ready()
		if !ok {
			return
		}
		n, err := w.conn.Read(buf[:size])
		w.receive(buf[:n])
		switch {
		case isTimeout(err):
		case err != nil:
			w.fail(cause(err))
			return
		case n == 0:
			time.Sleep(emptyPause)
		}
	}
}

// ready waits until the tty is ours to read and says how many bytes. While a
// dialled call may come about it is one at a time, so that what follows CONNECT
// stays in the kernel for who takes the port over.
func (w *wire) ready() (size int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.mode == data {
		w.changed.Wait()
	}
	if w.mode == stopped {
		return 0, false
	}
	_ = w.conn.SetReadDeadline(time.Time{})
	if w.filter.Dialling() {
		return 1, true
	}
	return 4096, true
}

// receive takes what came.
func (w *wire) receive(b []byte) {
	if len(b) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace.add(received, b)
	if w.sink != nil {
		_, _ = w.sink.Write(b)
		return
	}
	strays := w.filter.Strays()
	rest := w.filter.Receive(b)
	if w.filter.Strays() != strays || w.filter.Pending() {
		w.strayAt = time.Now()
	}
	w.answer = append(w.answer, w.filter.Answer()...)
	if w.filter.Data() {
		w.mode, w.early = data, bytes.Clone(bytes.TrimPrefix(rest, []byte("\n")))
	}
	w.changed.Broadcast()
	select {
	case w.heard <- struct{}{}:
	default:
	}
}

// urc takes the oldest unsolicited code.
func (w *wire) urc() (modem.URC, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.filter.URC()
}

// change runs f on the filter.
func (w *wire) change(f func(*filter.Filter)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.filter)
}

// count asks the filter for a number.
func (w *wire) count(f func(*filter.Filter) int) (n int) {
	w.change(func(s *filter.Filter) { n = f(s) })
	return n
}

// silentFor is how long nothing has come that was nobody's.
func (w *wire) silentFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.strayAt)
}

// unsure gives the command in flight up. late says that another's answer came.
func (w *wire) unsure(late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.filter.Unsure()
	if late {
		w.strayAt = time.Now()
	}
}

// carries reports whether the port carries data.
func (w *wire) carries() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mode == data
}

// stop ends the reader and the library.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mode = stopped
	w.changed.Broadcast()
	w.wake()
}

// lend gives what comes to a sink, nil takes it back. Bytes in between are lost
// to the filter, so it has to be resynchronised.
func (w *wire) lend(sink io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink = sink
	w.filter.Reset()
	w.answer = nil
}
