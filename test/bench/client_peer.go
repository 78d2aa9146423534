package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// roles are what this program does when a bench starts it again: whoever is to
// be killed, or must not share the daemon's or the bench's memory, is a process
// of its own.
var roles = map[string]func(args []string) error{
	"role-server": roleServer,
	"role-source": roleSource,
	"role-idle":   roleIdle,
	"role-sink":   roleSink,
	"role-ratio":  roleRatio,
}

// noter is a server that appends each line it reads to a file, in the order in
// which the lines reached the machine, and answers afterwards if it is to.
type noter struct {
	file   *os.File
	answer bool // "ack ID" for a line "ID …"

	mu    sync.Mutex // guards fresh
	fresh []*nonblocking

	conns []*nonblocking // oldest first
}

// nonblocking is one connection. Read blocks until now is set; then it returns
// os.ErrDeadlineExceeded where there is nothing.
type nonblocking struct {
	net.Conn
	raw    syscall.RawConn
	now    bool
	number int
	reader io.ReadWriter // the same, or TLS on top of it
	rest   []byte        // of a line
	lines  [][]byte
}

func (c *nonblocking) Read(p []byte) (n int, err error) {
	if !c.now {
		return c.Conn.Read(p)
	}
	outer := c.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), p)
		return true
	})
	switch {
	case outer != nil:
		return 0, outer
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return 0, os.ErrDeadlineExceeded
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// roleServer: ADDR FILE note|answer [CERT KEY].
func roleServer(args []string) error {
	if len(args) != 3 && len(args) != 5 {
		return fmt.Errorf("role-server: %d arguments", len(args))
	}
	var config *tls.Config
	if len(args) == 5 {
		cert, err := tls.LoadX509KeyPair(args[3], args[4])
		if err != nil {
			return err
		}
		// A ticket would be written after the client's last word: if the client is
		// reset by then, the handshake fails and what it had sent is never read.
		config = &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true}
	}
	file, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", args[0])
	if err != nil {
		return err
	}
	s := &noter{file: file, answer: args[2] == "answer"}
	go s.accept(l, config)
	return s.run()
}

func (s *noter) accept(l net.Listener, config *tls.Config) {
	for number := 1; ; number++ {
		conn, err := l.Accept()
		if err != nil {
			exit(err)
		}
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			exit(err)
		}
		c := &nonblocking{Conn: conn, raw: raw, number: number}
		c.reader = c
		go func() {
			if config != nil {
				t := tls.Server(c, config)
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				if t.Handshake() != nil {
					_ = conn.Close()
					return
				}
				_ = conn.SetDeadline(time.Time{})
				c.reader = t
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			c.now = true
			s.fresh = append(s.fresh, c)
		}()
	}
}

// run reads for ever. The newest connection is read first and noted last:
// bytes of an older one that were acknowledged before the newer ones were sent
// are here by then, so the file has them in that order.
func (s *noter) run() error {
	for more := false; ; {
		if !more {
			s.wait()
		}
		s.mu.Lock()
		s.conns = append(s.conns, s.fresh...)
		s.fresh = nil
		s.mu.Unlock()
		slices.SortFunc(s.conns, func(a, b *nonblocking) int { return a.number - b.number })
		more = false
		for i, c := range slices.Backward(s.conns) {
			reads := drained
			if i == len(s.conns)-1 {
				reads = 1
			}
			again, ended := c.drain(reads)
			more = more || again
			if ended {
				_ = c.Close()
				c.now = false
			}
		}
		if err := s.note(); err != nil {
			return err
		}
		s.conns = slices.DeleteFunc(s.conns, func(c *nonblocking) bool { return !c.now })
	}
}

// wait returns when there is something to read, or soon.
func (s *noter) wait() {
	fds := make([]unix.PollFd, 0, len(s.conns))
	for _, c := range s.conns {
		_ = c.raw.Control(func(fd uintptr) { fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}) })
	}
	_, _ = unix.Poll(fds, 2)
}

// drained is how many reads empty an older connection. The newest gets one, so
// that little is read and not noted when the server is killed.
const drained = 1000

// drain reads what there is, so many times at most: more says that something
// may be left, ended that the connection has ended.
func (c *nonblocking) drain(reads int) (more, ended bool) {
	buf := make([]byte, 16<<10)
	for range reads {
		n, err := c.reader.Read(buf)
		c.rest = append(c.rest, buf[:n]...)
		for {
			line, rest, ok := bytes.Cut(c.rest, []byte("\r\n"))
			if !ok {
				break
			}
			c.lines, c.rest = append(c.lines, line), bytes.Clone(rest)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, false
		}
		if err != nil {
			return false, true
		}
	}
	return true, false
}

// note appends "TIME CONNECTION PEER LINE" for each line and then answers.
func (s *noter) note() error {
	var text []byte
	now := strconv.FormatInt(time.Now().UnixNano(), 10)
	for _, c := range s.conns {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		for _, line := range c.lines {
			text = fmt.Appendf(text, "%s %d %s %s\n", now, c.number, host, line)
		}
	}
	if len(text) > 0 {
		if _, err := s.file.Write(text); err != nil {
			return err
		}
	}
	for _, c := range s.conns {
		var answers []byte
		for _, line := range c.lines {
			if id, _, ok := bytes.Cut(line, []byte(" ")); ok && s.answer {
				answers = fmt.Appendf(answers, "ack %s\r\n", id)
			}
		}
		c.lines = nil
		if len(answers) > 0 && c.now {
			_, _ = c.reader.Write(answers) // it may be gone: the message comes again
		}
	}
	return nil
}
