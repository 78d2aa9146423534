package netns

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
)

// reload reads the file again, as an operator would.
func (b *box) reload() {
	b.t.Helper()
	if out, code := b.ctl("reload"); code != 0 {
		b.t.Fatalf("ctl reload: exit code %d: %s", code, out)
	}
}

// settle waits until no address is tentative and brings a second LAN port.
func (b *box) settle() {
	b.t.Helper()
	other := b.MustNS(b.t, "other")
	b.MustLink(b.t, other, "eth0", b.Gateway, "lan2")
	b.eventually(5*time.Second, "addresses settle", func() error {
		if out := b.Gateway.MustRun(b.t, "ip", "addr"); strings.Contains(out, "tentative") || strings.Contains(out, "NO-CARRIER") {
			return fmt.Errorf("tentative: %s", out)
		}
		return nil
	})
}

// healthy reports whether a health code is in the status.
func (b *box) healthy(code status.HealthCode) bool {
	for _, c := range b.status().Health {
		if c.Code == code {
			return true
		}
	}
	return false
}

// serveBanner answers every connection with a word. It must run in a namespace.
func serveBanner(t *testing.T, addr, word string) error {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(word))
			_ = c.Close()
		}
	}()
	return nil
}

// banner is what a server says first, or (an echo server) repeats; "" for no
// answer within a second.
func banner(ns *lab.NS, addr string) string {
	c, err := ns.Dial("tcp4", addr, time.Second)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if strings.HasSuffix(addr, ":8") {
		_, _ = c.Write([]byte("echo"))
	}
	buf := make([]byte, 64)
	n, _ := c.Read(buf)
	return string(buf[:n])
}
