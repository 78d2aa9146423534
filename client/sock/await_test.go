package sock

import (
	"net"
	"testing"
	"time"

	"luatnetd/client"
)

// SOCK-08: waiting without a buffer takes neither data nor the reason of an end
// away from the Read that follows.
func TestAwaitTakesNothing(t *testing.T) {
	speak, reset := make(chan struct{}), make(chan struct{})
	port := serve(t, "127.0.0.1", func(c net.Conn) {
		<-speak
		_, _ = c.Write([]byte("hello"))
		<-reset
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	c := dial(t, Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, Route{})
	waited := make(chan bool, 1)
	go func() { waited <- c.Await() }()
	select {
	case <-waited:
		t.Error("Await returned where there is nothing to read")
		waited <- true
	case <-time.After(50 * time.Millisecond):
	}
	close(speak)
	if !<-waited {
		t.Error("Await cannot tell on a plain socket")
	}
	buf := make([]byte, 16)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	close(reset)
	for range 2 {
		if !c.Await() {
			t.Error("Await does not tell an end")
		}
	}
	if _, err := c.Read(buf); c.Cause(err).Code != client.CodeReset {
		t.Errorf("after a reset Read says %v", err)
	}
}

// What TLS has read already cannot be seen at the socket: waiting there could
// wait for ever.
func TestAwaitDoesNotWaitForTLS(t *testing.T) {
	for _, kind := range []client.Kind{client.TLS, client.DTLS} {
		port := serve(t, "127.0.0.1", echo)
		c := dial(t, Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, Route{})
		c.cfg.Kind = kind
		if c.Await() {
			t.Errorf("Await waits for %s", kind)
		}
	}
}
