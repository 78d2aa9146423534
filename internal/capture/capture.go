package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"luatnetd/internal/pcap"
	"luatnetd/internal/rawsock"
)

// maxFaults is how many devices that cannot be listened to are told of.
const maxFaults = 8

// Capture is one capture under way. Add may be called from any goroutine, at
// any time; it never waits for the reader of the file.
type Capture struct {
	bounds  pcap.Bounds
	readers sync.WaitGroup

	begun chan struct{} // closed when the file has its head
	once  sync.Once     // for the first reason to end
	end   chan struct{} // closed by then
	why   string        // set before that

	mu     sync.Mutex // guards what follows
	closed bool
	alone  bool                   // one device is captured, not a connection
	flows  map[string][]pcap.Flow // by device, the oldest first
	taps   map[string]*rawsock.Tap
	missed int
	faults []string

	file sync.Mutex // guards what follows; held while the reader is waited for
	made *pcap.File // this and the next two are set by Run
	out  io.Writer
	push func() error
	buf  []byte
	err  error // of out
}

// New returns a capture; it must be run.
func New(b pcap.Bounds) *Capture {
	return &Capture{
		bounds: b, end: make(chan struct{}), begun: make(chan struct{}), flows: map[string][]pcap.Flow{}, taps: map[string]*rawsock.Tap{},
	}
}

// Add captures one more flow: when it returns, its next packet is seen. The
// flow stays until the end, so that its last packets are seen, too.
func (c *Capture) Add(f pcap.Flow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(c.flows[f.Device], func(have pcap.Flow) bool { return have == f })
	list = append(list, f)
	c.flows[f.Device] = list[max(0, len(list)-pcap.MaxFlows):]
	filter := pcap.Flows(c.flows[f.Device], c.bounds.Snaplen)
	var err error
	if t := c.taps[f.Device]; t != nil && !t.Gone() {
		err = t.SetFilter(filter)
	} else {
		err = c.openLocked(f.Device, filter)
	}
	if err != nil && len(c.faults) < maxFaults {
		c.faults = append(c.faults, err.Error())
	}
}

// Device captures what a device carries, as far as the filter passes it; the
// capture ends with the device.
func (c *Capture) Device(device string, filter []bpf.RawInstruction) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alone = true
	return c.openLocked(device, filter)
}

func (c *Capture) openLocked(device string, filter []bpf.RawInstruction) error {
	if c.closed {
		return nil
	}
	t, err := rawsock.OpenTap(device, filter)
	if err != nil {
		return err
	}
	if old := c.taps[device]; old != nil { // of a device that is gone
		c.missed += old.Missed()
		_ = old.Close()
	}
	c.taps[device] = t
	c.readers.Go(func() { c.read(t) })
	return nil
}

// Run makes the file in out until the end: a bound, the reader's or ctx's. push
// sends on what was written to out. What was added before is in the file from
// its first byte on. When Run returns every socket is closed and every goroutine
// has ended. The error is that of writing.
func (c *Capture) Run(ctx context.Context, out io.Writer, push func() error) (pcap.Summary, error) {
	limit := time.NewTimer(c.bounds.Time)
	defer limit.Stop()
	c.begin(out, push)
	select {
	case <-c.end:
	case <-limit.C:
		c.stop(fmt.Sprintf("%v have passed", c.bounds.Time))
	case <-ctx.Done():
		c.stop("the reader has gone")
	}
	c.mu.Lock()
	c.closed = true
	for _, t := range c.taps {
		c.missed += t.Missed()
		_ = t.Close()
	}
	s := pcap.Summary{Missed: c.missed, Ended: c.why, Faults: strings.Join(c.faults, "; ")}
	c.mu.Unlock()
	c.readers.Wait()
	s.Packets, s.Bytes = c.made.Packets, c.made.Bytes
	return s, c.err
}

// begin sends the head of the file.
func (c *Capture) begin(out io.Writer, push func() error) {
	c.file.Lock()
	defer c.file.Unlock()
	c.out, c.push = out, push
	var head []byte
	c.made, head = pcap.NewFile(c.bounds)
	c.write(head)
	close(c.begun)
}

// write reports whether the reader has it.
func (c *Capture) write(piece []byte) bool {
	if len(piece) == 0 {
		return true
	}
	_, err := c.out.Write(piece)
	if err = errors.Join(err, c.push()); err != nil {
		c.err = err
		c.stop("the reader has gone")
	}
	return err == nil
}

func (c *Capture) stop(why string) {
	c.once.Do(func() {
		c.why = why
		close(c.end)
	})
}

// read takes the packets of one tap until it is closed or the capture ends.
func (c *Capture) read(t *rawsock.Tap) {
	buf := make([]byte, c.bounds.Snaplen)
	for {
		p, err := t.Next(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.ENETDOWN) && !t.Gone():
			continue // it goes on when the device is up again
		case err != nil:
			c.lost(t)
			return
		case !c.take(p):
			return
		}
	}
}

// lost ends a capture whose only device is gone.
func (c *Capture) lost(t *rawsock.Tap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alone {
		c.stop("device " + t.Device() + " is gone")
	}
}

// take writes one packet; false: there is no more to write.
func (c *Capture) take(p pcap.Packet) bool {
	select {
	case <-c.begun:
	case <-c.end:
		return false
	}
	c.file.Lock()
	defer c.file.Unlock()
	select {
	case <-c.end:
		return false
	default:
	}
	piece, full := c.made.Add(c.buf, p)
	c.buf = piece
	if !c.write(piece) {
		return false
	}
	if full != "" {
		c.stop(full)
	}
	return full == ""
}
