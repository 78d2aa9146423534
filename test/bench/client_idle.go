package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"luatnetd/client"
	"luatnetd/client/conn"
	"luatnetd/client/queue"
	"luatnetd/client/sock"
	"luatnetd/internal/lab"
	"luatnetd/internal/task"
)

// idleConnections is more than a configuration may hold (256): the bench holds
// them with the daemon's own packages, in a process of its own.
const idleConnections = 1000

// held is what the process with the idle connections tells, before, with and
// after them.
type held struct {
	RSS        [3]float64 `json:"rss_mib"`
	Goroutines [3]int     `json:"goroutines"`
}

// clientIdle weighs 1,000 connections, with their queues, that have nothing to
// do.
func clientIdle(opt options) ([]figure, error) {
	var figures []figure
	for _, kind := range []struct {
		name string
		bar  float64 // KiB
	}{{"tcp", 16}, {"tls", 48}} {
		h, n, err := holdIdle(opt, kind.name)
		if err != nil {
			return nil, err
		}
		each := (h.RSS[1] - h.RSS[0]) * 1024 / float64(n)
		f := summary("client-idle-"+kind.name+"-rss", "KiB a connection", []float64{each}, nil)
		more := h.Goroutines[1] - h.Goroutines[0]
		left := h.Goroutines[2] - h.Goroutines[0]
		figures = append(figures,
			f.judge(fmt.Sprintf("≤ %g KiB each of %d", kind.bar, n), each <= kind.bar),
			count("client-idle-"+kind.name+"-goroutines", "goroutines", more, n, "≤ 3 each", more <= 3*n),
			count("client-idle-"+kind.name+"-left", "goroutines", left, n, "all gone after the close", left <= 0))
	}
	return figures, nil
}

// holdIdle starts a server and the process with the connections.
func holdIdle(opt options, kind string) (h held, n int, err error) {
	r, err := newRig(opt, false)
	if err != nil {
		return h, 0, err
	}
	defer r.close()
	c := &clientRig{rig: r, files: r.dir}
	if c.self, err = os.Executable(); err != nil {
		return h, 0, err
	}
	if c.pki, err = lab.NewPKI(c.files, "server.example", lab.WebAddr); err != nil {
		return h, 0, err
	}
	l := &lane{kind: kind, port: 42001}
	if err := c.serve(l); err != nil {
		return h, 0, err
	}
	n = idleConnections
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := r.Server.Run(ctx, c.self, "role-idle", kind, fmt.Sprint(n), fmt.Sprintf("%s:%d", lab.WebAddr, l.port), r.dir)
	if err != nil {
		return h, 0, fmt.Errorf("%w: %s", err, out)
	}
	return h, n, json.Unmarshal([]byte(out), &h)
}

// roleIdle: KIND N ADDR DIR.
func roleIdle(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	debug.SetGCPercent(50) // as in the daemon
	debug.SetMemoryLimit(64 << 20)
	var h held
	weigh := func(i int) (err error) {
		debug.FreeOSMemory() // what is left over from connecting is garbage, not what a connection needs
		h.Goroutines[i] = runtime.NumGoroutine()
		h.RSS[i], err = rssMiB(os.Getpid())
		return err
	}
	if err := hold(args, 10, func() error { return weigh(0) }); err != nil { // what is made once is not weighed
		return err
	}
	if err := weigh(0); err != nil {
		return err
	}
	if err := hold(args, n, func() error { return weigh(1) }); err != nil {
		return err
	}
	_ = lab.Poll(10*time.Second, func() error {
		if g := runtime.NumGoroutine(); g > h.Goroutines[0] {
			return fmt.Errorf("%d goroutines", g)
		}
		return nil
	})
	if err := weigh(2); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(h)
}

// hold makes n connections, calls f when all are online and idle, and closes
// them.
func hold(args []string, n int, f func() error) error {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	list := make([]*conn.Connection, n)
	for i := range list {
		c, q, err := idleConnection(args, i, window)
		if err != nil {
			cancel()
			return err
		}
		list[i] = c
		wg.Add(1)
		go func() {
			defer wg.Done()
			_ = task.Guard(ctx, c.Run)
			_ = q.Close()
		}()
	}
	err := lab.Poll(time.Minute, func() error {
		for i, c := range list {
			if s := c.Status(); s.State != client.OnLine.String() {
				return fmt.Errorf("connection %d is %s: %s", i, s.State, s.LastError)
			}
		}
		return nil
	})
	if err == nil {
		err = f()
	}
	cancel()
	wg.Wait()
	return err
}

// idleConnection is one as the engine makes it, without an engine.
func idleConnection(args []string, i, window int) (*conn.Connection, *queue.Queue, error) {
	host, port, err := net.SplitHostPort(args[2])
	if err != nil {
		return nil, nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, nil, err
	}
	name := fmt.Sprintf("c%d", i)
	q, _ := queue.Open(queue.Config{Run: filepath.Join(args[3], "run", name), Mode: queue.RunOnly, Log: quiet})
	s := sock.Config{Name: name, Kind: client.Kind(args[0]), Host: host, Port: uint16(number)}
	if args[0] == "tls" {
		s.TLS = &sock.TLS{CA: filepath.Join(args[3], "ca.pem"), ServerName: "server.example"}
	}
	began := time.Now()
	c := conn.New(conn.Config{
		Name: name, Sock: s, Queue: q, SetLink: q.SetLink, Log: quiet,
		Policy:  benchPolicy(window),
		Deliver: func(client.Received) error { return nil },
		Now:     func() time.Time { return time.Unix(3600, 0).Add(time.Since(began)) },
		Trace:   16 << 10, // the default of the configuration
	})
	c.SetNetwork(oneUplink)
	return c, q, nil
}

// What all connections share, as in the daemon.
var (
	quiet     = slog.New(slog.DiscardHandler)
	oneUplink = conn.Network{Active: "up", Usable: map[string]bool{"up": true}, Routes: map[string]sock.Route{"up": {Uplink: "up"}}}
)

// benchPolicy is the default configuration's, but for a window of messages.
func benchPolicy(window int) client.Policy {
	return client.Policy{
		Confirmed: client.ByTCP, Switch: client.Follow, Connect: 30 * time.Second, Confirm: 15 * time.Second, Close: 5 * time.Second,
		Backoff:     client.Backoff{Base: time.Duration(200+rand.IntN(50)) * time.Millisecond, Max: time.Second},
		WindowBytes: 64 << 10, WindowMessages: window, Send: client.FrameSend("crlf"),
	}
}
