package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
	"luatnetd/client/conn"
	"luatnetd/internal/lab"
	"luatnetd/internal/task"
)

// speeds are messages per second.
type speeds struct {
	Bare      float64 `json:"bare"`      // a loop that only writes
	Confirmed float64 `json:"confirmed"` // through the queue, each with its result
	Delayed   float64 `json:"delayed"`   // the same to a peer that delays every acknowledgement
	Single    float64 `json:"single"`    // to that peer one at a time, which shows that it delays
}

// ratioBytes is the size of a message: a line of a meter.
const ratioBytes = 100

// delays is the most that one message at a time can reach where nearly each
// waits for a delayed acknowledgement: the kernel's shortest delay is 40 ms, and
// the first twenty or so of a connection are not delayed. Otherwise it is thousands.
const delays = 100

// clientRatio compares confirmed messages with a loop that only writes, over
// the same path and in turns.
func clientRatio(opt options) ([]figure, error) {
	c, err := newClientRig(opt, "")
	if err != nil {
		return nil, err
	}
	defer c.close()
	addr := []string{lab.WebAddr + ":42001", lab.WebAddr + ":42002"}
	for i, how := range []string{"prompt", "delay"} {
		if _, err := c.Server.Start(nil, c.self, "role-sink", addr[i], how); err != nil {
			return nil, err
		}
	}
	var ratios, delayed []float64
	for i := range opt.rounds(10) {
		dir := filepath.Join(c.files, fmt.Sprint(i))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out, err := c.Gateway.Run(ctx, c.self, "role-ratio", addr[0], addr[1], dir)
		cancel()
		var s speeds
		if err == nil {
			err = json.Unmarshal([]byte(out), &s)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		if s.Single > delays {
			return nil, fmt.Errorf("%.0f messages/s one at a time: the peer does not delay its ACKs", s.Single)
		}
		ratios, delayed = append(ratios, 100*s.Confirmed/s.Bare), append(delayed, s.Delayed)
	}
	r, d := summary("client-ratio", "% of a write-only loop", ratios, nil), summary("client-delayed-ack", "messages/s", delayed, nil)
	return []figure{r.judge("p50 ≥ 30 % of a loop that writes each message", r.P50 >= 30),
		d.judge("p50 ≥ 10,000/s to a peer that delays every ACK", d.P50 >= 10000)}, nil
}

// roleSink: ADDR prompt|delay. It reads and forgets.
func roleSink(args []string) error {
	l, err := net.Listen("tcp4", args[0])
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go swallow(c.(*net.TCPConn), args[1] == "delay")
	}
}

// swallow reads until the end. With delay it tells the kernel before each read
// that an answer may come, for which an acknowledgement can wait (tcp(7),
// TCP_QUICKACK 0); the kernel sets that back by itself.
func swallow(c *net.TCPConn, delay bool) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for buf := make([]byte, 64<<10); ; {
		if delay {
			_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) })
		}
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// roleRatio: ADDR DELAYED DIR.
func roleRatio(args []string) (err error) {
	var s speeds
	const n = 100000
	if err := lab.Poll(10*time.Second, func() error { s.Bare, err = bare(args[0], n); return err }); err != nil {
		return err
	}
	if s.Confirmed, err = confirmed(args[0], filepath.Join(args[2], "a"), n, window); err != nil {
		return err
	}
	if s.Delayed, err = confirmed(args[1], filepath.Join(args[2], "b"), n/2, window); err != nil {
		return err
	}
	if s.Single, err = confirmed(args[1], filepath.Join(args[2], "c"), 40, 1); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// bare writes messages, each by itself, and asks for nothing.
func bare(addr string, n int) (float64, error) {
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	data := make([]byte, ratioBytes)
	began := time.Now()
	for range n {
		if _, err := c.Write(data); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// confirmed offers messages to a connection with its queue and waits until each
// has its result.
func confirmed(addr, dir string, n, window int) (float64, error) {
	c, q, err := idleConnection([]string{"tcp", strconv.Itoa(n), addr, dir}, 0, window)
	if err != nil {
		return 0, err
	}
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = task.Guard(ctx, c.Run) })
	if err := lab.Poll(10*time.Second, func() error {
		if s := c.Status(); s.State != client.OnLine.String() {
			return fmt.Errorf("it is %s: %s", s.State, s.LastError)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	return offerAll(c, n)
}

func offerAll(c *conn.Connection, n int) (float64, error) {
	open := make(chan struct{}, 10000) // a bounded backlog
	data := make([]byte, ratioBytes-2) // CRLF is added
	bad := make(chan client.Result, 1)
	began := time.Now()
	for range n {
		open <- struct{}{}
		_, err := c.Offer(client.Message{Source: "bench", Data: data, At: time.Now()}, func(r client.Result) {
			if !r.OK {
				select {
				case bad <- r:
				default:
				}
			}
			<-open
		})
		if err != nil {
			return 0, err
		}
	}
	for range cap(open) { // full of nothing: every message has its result
		open <- struct{}{}
	}
	took := time.Since(began)
	select {
	case r := <-bad:
		return 0, fmt.Errorf("a message was not confirmed: %s", r.Reason)
	default:
	}
	return float64(n) / took.Seconds(), nil
}
