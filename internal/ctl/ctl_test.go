package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"luatnetd/internal/journal"
	"luatnetd/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon is a server on a real socket, with a backend made of plain values.
type daemon struct {
	t      *testing.T
	socket string
	c      *Client
	end    func() // ends the server and waits for it

	journal *journal.Journal

	mu    sync.Mutex // guards what follows
	doc   *status.Document
	asked []Command
	do    func(Command) (Reply, error)
}

func serve(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{
		t: t, socket: filepath.Join(t.TempDir(), "run", "s"), journal: journal.New(),
		doc: &status.Document{API: status.APIVersion, Version: "1.2.3", Active: "wan", Uplinks: []status.Uplink{{Name: "wan"}},
			LANs: []status.LAN{{Name: "lan", Leases: []status.Lease{{LAN: "lan", Address: "192.168.5.100"}}}},
			Why:  []status.Why{{Uplink: "wan", Rule: "active", Text: "first"}}},
	}
	d.c = NewClient(d.socket)
	d.run(d.server())
	return d
}

func (d *daemon) server() *Server {
	return &Server{Socket: d.socket, Log: slog.New(slog.DiscardHandler), Backend: Backend{
		Status: func() *status.Document { d.mu.Lock(); defer d.mu.Unlock(); return d.doc },
		Follow: d.journal.Follow,
		Events: func(after uint64) []status.Event { list, _ := d.journal.After(after); return list },
		Do:     d.command,
	}}
}

func (d *daemon) command(_ context.Context, c Command) (Reply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, c)
	if d.do != nil {
		return d.do(c)
	}
	return Reply{OK: true, Text: c.Verb + " done"}, nil
}

// run starts s and waits until it answers; the test's end ends it.
func (d *daemon) run(s *Server) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	d.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			d.t.Errorf("Run = %v, want nil after the end of its context", err)
		}
	})
	d.t.Cleanup(d.end)
	eventually(d.t, "the server answers", func() error {
		c, err := net.Dial("unix", d.socket)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// raw sends one request as any HTTP client would.
func (d *daemon) raw(method, path string, body io.Reader, header http.Header) (int, string) {
	d.t.Helper()
	req, err := http.NewRequest(method, "http://luatnetd"+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := d.c.http.Do(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestReadEndpoints(t *testing.T) {
	d := serve(t)
	for path, want := range map[string]any{
		"/v1/status":  d.doc,
		"/v1/explain": d.doc,
		"/v1/uplinks": d.doc.Uplinks,
		"/v1/leases":  d.doc.Leases(),
		"/v1/version": map[string]any{"api": 1, "version": "1.2.3"},
	} {
		code, body := d.raw("GET", path, nil, nil)
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(b)+"\n", body); code != 200 || diff != "" {
			t.Errorf("GET %s = %d (-want +got):\n%s", path, code, diff)
		}
	}
	got, err := d.c.Status(context.Background())
	if diff := cmp.Diff(d.doc, got); err != nil || diff != "" {
		t.Errorf("Status: %v (-want +got):\n%s", err, diff)
	}
}

func TestCommandEndpoints(t *testing.T) {
	d := serve(t)
	for _, tc := range []struct {
		method, path string
		want         Command
	}{
		{"GET", "/v1/plan", Command{Verb: Plan}},
		{"POST", "/v1/use/wan", Command{Verb: Use, Name: "wan"}},
		{"POST", "/v1/use/wan?for=1h30m", Command{Verb: Use, Name: "wan", For: 90 * time.Minute}},
		{"POST", "/v1/use/a%2Fb%20c", Command{Verb: Use, Name: "a/b c"}},
		{"POST", "/v1/auto", Command{Verb: Auto}},
		{"POST", "/v1/uplink/wan/up", Command{Verb: UplinkUp, Name: "wan"}},
		{"POST", "/v1/uplink/wan/down", Command{Verb: UplinkDown, Name: "wan"}},
		{"POST", "/v1/lan/lan/up", Command{Verb: LANUp, Name: "lan"}},
		{"POST", "/v1/lan/lan/down", Command{Verb: LANDown, Name: "lan"}},
		{"POST", "/v1/probe/wan", Command{Verb: Probe, Name: "wan"}},
		{"POST", "/v1/reload", Command{Verb: Reload}},
	} {
		d.asked = nil
		code, body := d.raw(tc.method, tc.path, nil, nil)
		if want := fmt.Sprintf("{\"text\":%q,\"ok\":true}\n", tc.want.Verb+" done"); code != 200 || body != want {
			t.Errorf("%s %s = %d %q, want 200 %q", tc.method, tc.path, code, body, want)
		}
		if diff := cmp.Diff([]Command{tc.want}, d.asked); diff != "" {
			t.Errorf("%s %s asked the loop (-want +got):\n%s", tc.method, tc.path, diff)
		}
	}
}

// What a client gets wrong never reaches the loop, and is answered by JSON
// with a sentence.
func TestBadRequests(t *testing.T) {
	d := serve(t)
	big := strings.NewReader(strings.Repeat("x", maxBody+1))
	for _, tc := range []struct {
		method, path string
		body         io.Reader
		code         int
		says         string
	}{
		{"POST", "/v1/use/wan?for=soon", nil, 400, "for=soon is not a duration"},
		{"POST", "/v1/use/wan?for=0s", nil, 400, "for=0s is not a duration"},
		{"POST", "/v1/use/wan?for=-5m", nil, 400, "write it like 10m or 2h"},
		{"POST", "/v1/status", nil, 404, "there is no POST /v1/status"},
		{"GET", "/v1/reload", nil, 404, "there is no GET /v1/reload"},
		{"DELETE", "/v1/uplink/wan/up", nil, 404, "there is no DELETE"},
		{"POST", "/v1/uplink/wan/sideways", nil, 404, "there is no POST"},
		{"GET", "/v2/status", nil, 404, "there is no GET /v2/status"},
		{"GET", "/", nil, 404, "there is no GET /"},
		{"POST", "/v1/reload", big, 413, "send at most"},
		{"POST", "/v1/reload", io.MultiReader(strings.NewReader(strings.Repeat("x", maxBody)), strings.NewReader("x")), 413, "send at most"}, // chunked
	} {
		code, body := d.raw(tc.method, tc.path, tc.body, nil)
		var e Error
		if err := json.Unmarshal([]byte(body), &e); err != nil || e.Message == "" {
			t.Errorf("%s %s = %q, want JSON with an error: %v", tc.method, tc.path, body, err)
		}
		if code != tc.code || !strings.Contains(e.Error(), tc.says) {
			t.Errorf("%s %s = %d %q, want %d and %q", tc.method, tc.path, code, e.Error(), tc.code, tc.says)
		}
	}
	if len(d.asked) != 0 {
		t.Errorf("the loop was asked %v, want nothing", d.asked)
	}
	if code, _ := d.raw("POST", "/v1/reload", strings.NewReader("{}"), nil); code != 200 {
		t.Errorf("a small body = %d, want 200", code)
	}
}

func TestBigHeadersAreRefused(t *testing.T) {
	d := serve(t)
	if code, _ := d.raw("GET", "/v1/status", nil, http.Header{"X": {strings.Repeat("x", 64<<10)}}); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of headers = %d, want %d", code, http.StatusRequestHeaderFieldsTooLarge)
	}
	if code, _ := d.raw("GET", "/v1/status", nil, nil); code != 200 {
		t.Errorf("the next request = %d, want 200", code)
	}
}

func TestErrorsOfTheLoop(t *testing.T) {
	d := serve(t)
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&Error{Status: 404, Message: `there is no uplink "x"`, Hint: "known: wan"}, "there is no uplink \"x\"\nhint: known: wan"},
		{&Error{Status: 422, Message: "bad file"}, "bad file"},
		{fmt.Errorf("read: %w", io.ErrNoProgress), "read: multiple Read calls return no data or error"},
	} {
		d.do = func(Command) (Reply, error) { return Reply{}, tc.err }
		_, err := d.c.Use(context.Background(), "x", 0)
		if err == nil || err.Error() != tc.want {
			t.Errorf("Use = %v, want %q", err, tc.want)
		}
		if errors.Is(err, ErrNotRunning) || errors.Is(err, ErrDenied) {
			t.Errorf("%v counts as no daemon, but one has answered", err)
		}
	}
}

func TestBeforeTheFirstTurn(t *testing.T) {
	d := serve(t)
	d.doc = nil
	if _, err := d.c.Status(context.Background()); err == nil || !strings.Contains(err.Error(), "first turn") {
		t.Errorf("Status = %v, want the sentence about the first turn", err)
	}
}

func TestClientWithoutDaemon(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"missing", "no/dir", "file"} {
		path := filepath.Join(dir, name)
		_, err := NewClient(path).Status(context.Background())
		if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v with the path", name, err, ErrNotRunning)
		}
	}
}

// A daemon that dies in the middle of an answer is an error, not an empty result.
func TestClientCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"act")
		_ = c.Close()
	}()
	if d, err := NewClient(path).Status(context.Background()); err == nil {
		t.Errorf("Status = %+v, want an error", d)
	}
	<-done
}

func TestEvents(t *testing.T) {
	d := serve(t)
	long := strings.Repeat("x", 200<<10) // longer than any line buffer
	for _, text := range []string{"one", "two", long} {
		d.journal.Add(status.Event{Text: text, Attrs: map[string]string{"uplink": "wan"}})
	}
	for after, want := range map[uint64][]string{0: {"one", "two", long}, 2: {long}, 3: nil} {
		var got []string
		err := d.c.Events(context.Background(), after, false, func(e status.Event) { got = append(got, e.Text) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Events after %d: %d of them, %v; want %d", after, len(got), err, len(want))
		}
	}
	if code, body := d.raw("GET", "/v1/events", nil, nil); code != 200 || strings.Count(body, "\n") != 3 {
		t.Errorf("GET /v1/events = %d with %d lines, want 3", code, strings.Count(body, "\n"))
	}
}

func TestFollowEndsWithTheClient(t *testing.T) {
	d := serve(t)
	before := goleak.IgnoreCurrent()
	d.journal.Add(status.Event{Text: "one"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var got []string
	err := d.c.Events(ctx, 0, true, func(e status.Event) {
		got = append(got, e.Text)
		if len(got) < 4 {
			d.journal.Add(status.Event{Text: "more"})
		} else {
			cancel()
		}
	})
	if err != nil || !slices.Equal(got, []string{"one", "more", "more", "more"}) {
		t.Errorf("followed %q, %v", got, err)
	}
	if err := goleak.Find(before); err != nil { // waits shortly for the server's half
		t.Errorf("the server goes on for a client that left: %v", err)
	}
}

// A client that waits for its first event is served, and may leave.
func TestFollowOfNothing(t *testing.T) {
	d := serve(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	resp, err := d.c.request(ctx, "GET", "/v1/events?follow=1")
	if err != nil {
		t.Fatalf("no answer before the first event: %v", err)
	}
	_ = resp.Body.Close()
	cancel()
	if err := d.c.Events(ctx, 0, true, func(status.Event) {}); err != nil {
		t.Errorf("Events of a client that leaves = %v, want nil", err)
	}
}

func TestFollowEndsWithTheDaemon(t *testing.T) {
	d := serve(t)
	d.journal.Add(status.Event{Text: "one"})
	err := d.c.Events(context.Background(), 0, true, func(status.Event) { go d.end() })
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("Events = %v, want %v", err, ErrNotRunning)
	}
	d.end()
}
