package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"luatnetd/internal/pcap"
)

// capturing is a daemon whose captures are made by f.
func capturing(t *testing.T, f func(ctx context.Context, t Tap, open func() (io.Writer, func() error)) (pcap.Summary, error)) (*daemon, *Server) {
	t.Helper()
	d := serve(t)
	s := d.server()
	s.Capture = f
	d.end()
	d.run(s)
	return d, s
}

func TestCapture(t *testing.T) {
	var asked []Tap
	want := pcap.Summary{Packets: 2, Bytes: 11, Missed: 3, Ended: "there are 2 packets", Faults: "wan9: no such device"}
	d, _ := capturing(t, func(_ context.Context, tap Tap, open func() (io.Writer, func() error)) (pcap.Summary, error) {
		asked = append(asked, tap)
		w, push := open()
		for _, piece := range []string{"head ", "packet"} {
			if _, err := io.WriteString(w, piece); err != nil {
				return pcap.Summary{}, err
			}
			if err := push(); err != nil {
				return pcap.Summary{}, err
			}
		}
		return want, nil
	})
	bounds := pcap.Bounds{Bytes: 5000, Packets: 2, Time: 3 * time.Second, Snaplen: 100}
	taps := []Tap{
		{Connection: "a/b c", Bounds: bounds},
		{Uplink: "wan", Host: netip.MustParseAddr("2001:db8::1"), Port: 53, Bounds: bounds},
	}
	for _, tap := range taps {
		var file bytes.Buffer
		got, err := d.c.Capture(t.Context(), tap, func() (io.Writer, error) { return &file, nil })
		if diff := cmp.Diff(want, got); err != nil || diff != "" || file.String() != "head packet" {
			t.Errorf("%+v: file %q, %v (-want +got):\n%s", tap, &file, err, diff)
		}
	}
	if _, err := d.c.Capture(t.Context(), Tap{Connection: "x"}, func() (io.Writer, error) { return io.Discard, nil }); err != nil {
		t.Error(err)
	}
	taps = append(taps, Tap{Connection: "x", Bounds: pcap.Default})
	if diff := cmp.Diff(taps, asked, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// What cannot be captured is an error with a hint, and no file is made.
func TestCaptureRefused(t *testing.T) {
	d, _ := capturing(t, func(context.Context, Tap, func() (io.Writer, func() error)) (pcap.Summary, error) {
		return pcap.Summary{}, &Error{Status: http.StatusNotFound, Message: "there is no connection \"x\"", Hint: "known: [a]"}
	})
	_, err := d.c.Capture(t.Context(), Tap{Connection: "x"}, func() (io.Writer, error) {
		t.Error("a file was made")
		return io.Discard, nil
	})
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusNotFound || e.Hint == "" {
		t.Errorf("capture of nothing: %v", err)
	}
	for _, q := range []string{"bytes=x", "bytes=10", "bytes=999999999999", "packets=0", "time=soon", "time=2h", "snaplen=1", "port=70000", "port=-1", "host=name"} {
		if code, body := d.raw("GET", "/v1/uplink/wan/pcap?"+q, nil, nil); code != http.StatusBadRequest || !strings.Contains(body, "hint") {
			t.Errorf("%s: %d %s", q, code, body)
		}
	}
}

// A reader that hangs up ends the capture; its place is free again.
func TestCaptureEndsWithItsReader(t *testing.T) {
	d, s := capturing(t, func(ctx context.Context, _ Tap, open func() (io.Writer, func() error)) (pcap.Summary, error) {
		w, push := open()
		_, _ = io.WriteString(w, "head")
		_ = push()
		<-ctx.Done()
		return pcap.Summary{}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended, begun := make(chan error, maxCaptures), make(chan struct{}, maxCaptures) // each is told of once a capture
	for range maxCaptures {
		go func() {
			sum, err := d.c.Capture(ctx, Tap{Connection: "x"}, func() (io.Writer, error) { begun <- struct{}{}; return io.Discard, nil })
			if err == nil && sum.Ended != "you ended it" {
				err = errors.New(sum.Text())
			}
			ended <- err
		}()
	}
	for range maxCaptures {
		<-begun
	}
	var e *Error
	if _, err := d.c.Capture(t.Context(), Tap{Connection: "x"}, nil); !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
		t.Errorf("one capture too many: %v", err)
	}
	cancel()
	for range maxCaptures {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "every place is free", func() error {
		if n := s.captures.Load(); n != 0 {
			return fmt.Errorf("%d captures are under way", n)
		}
		return nil
	})
}

// A daemon that dies in the middle of a capture is no good end.
func TestCaptureOfADaemonThatEnds(t *testing.T) {
	d, _ := capturing(t, func(ctx context.Context, _ Tap, open func() (io.Writer, func() error)) (pcap.Summary, error) {
		w, push := open()
		_, _ = io.WriteString(w, "head")
		_ = push()
		panic(http.ErrAbortHandler) // the connection ends without its trailer
	})
	var file bytes.Buffer
	_, err := d.c.Capture(t.Context(), Tap{Connection: "x"}, func() (io.Writer, error) { return &file, nil })
	if !errors.Is(err, ErrNotRunning) || file.String() != "head" {
		t.Errorf("file %q, %v", &file, err)
	}
	full := errors.New("no space left")
	if _, err := d.c.Capture(t.Context(), Tap{Connection: "x"}, func() (io.Writer, error) { return badDisk{full}, nil }); !errors.Is(err, full) || errors.Is(err, ErrNotRunning) {
		t.Errorf("a full disk: %v", err)
	}
}

type badDisk struct{ err error }

func (b badDisk) Write([]byte) (int, error) { return 0, b.err }
