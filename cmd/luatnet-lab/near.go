package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// device is what hangs at the gateway's serial port.
type device struct {
	port string // the path that the daemon opens
	line *os.File

	mu  sync.Mutex // guards got
	got bytes.Buffer
}

// newDevice makes the serial line. What the port prints is told.
func newDevice(say *narrator) (*device, error) {
	line, path, err := lab.Pty()
	if err != nil {
		return nil, err
	}
	d := &device{port: path, line: line}
	go d.listen(say)
	return d, nil
}

// listen keeps and tells what the port prints until the line is closed.
func (d *device) listen(say *narrator) {
	buf := make([]byte, 64<<10)
	for {
		n, err := d.line.Read(buf)
		switch {
		case errors.Is(err, unix.EIO): // no daemon has the port open
			time.Sleep(20 * time.Millisecond)
			continue
		case err != nil:
			return
		}
		d.mu.Lock()
		d.got.Write(buf[:n])
		d.mu.Unlock()
		say.line("serial", "prints %s", quoted(buf[:n]))
	}
}

// say types on the serial line.
func (d *device) say(text string) error {
	_, err := d.line.WriteString(text)
	return err
}

func (d *device) all() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.got.String()
}

func (d *device) close() { _ = d.line.Close() }

// flowTag marks the messages of a flow.
const flowTag = "send from program: #"

// flow is a program on the gateway that sends numbered lines through the
// daemon's Unix socket and keeps what it was told of each.
type flow struct {
	path  string
	every time.Duration
	stop  context.CancelFunc
	done  chan struct{} // closed at its end

	mu       sync.Mutex // guards what follows
	next     int
	accepted []int
}

// startFlow starts a flow whose first number is first. It goes on when the
// daemon does.
func startFlow(ctx context.Context, path string, first int, every time.Duration) *flow {
	ctx, stop := context.WithCancel(ctx)
	f := &flow{path: path, every: every, stop: stop, done: make(chan struct{}), next: first}
	go func() {
		defer close(f.done)
		for ctx.Err() == nil {
			f.talk(ctx)
			pause(ctx, 10*time.Millisecond) // nobody listens, or the daemon has just ended
		}
	}()
	return f
}

// talk sends lines, each after the answer to the one before, while the daemon
// answers.
func (f *flow) talk(ctx context.Context) {
	c, err := net.Dial("unix", f.path)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	answers := bufio.NewScanner(c)
	for ctx.Err() == nil {
		n := f.take()
		if _, err := fmt.Fprintf(c, "#%06d;\n", n); err != nil || !answers.Scan() {
			return // the line had no answer: nothing was promised
		}
		if strings.HasPrefix(answers.Text(), "accepted") {
			f.mu.Lock()
			f.accepted = append(f.accepted, n)
			f.mu.Unlock()
		}
		pause(ctx, f.every)
	}
}

func (f *flow) take() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return f.next - 1
}

// count is how many lines were accepted until now.
func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.accepted)
}

// end ends the flow and returns the numbers that were accepted, and the number
// for the next flow.
func (f *flow) end() (accepted []int, next int) {
	f.stop()
	<-f.done
	return f.accepted, f.next
}

// mark is one message of a flow at a server. A torn one has no semicolon.
var mark = regexp.MustCompile(flowTag + `(\d{6});`)

// receipts is what a server got of a flow.
type receipts struct {
	missing, twice int
	ordered        bool // the first receipts are in the order of sending
}

// compare holds what was accepted against what a server read.
func compare(accepted []int, text string) (r receipts) {
	seen, highest := map[int]bool{}, -1
	r.ordered = true
	for _, m := range mark.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1]) // six digits
		if seen[n] {
			r.twice++
			continue
		}
		seen[n] = true
		r.ordered = r.ordered && n > highest
		highest = max(highest, n)
	}
	for _, n := range accepted {
		if !seen[n] {
			r.missing++
		}
	}
	return r
}
