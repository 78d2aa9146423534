package sock

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// LIB-02: to a peer that does not read, Tx says at once that the buffer is full
// and sends nothing of that message; what was taken before comes whole, once and
// in order, and the refused message goes when there is room again.
func TestLIB02TxSaysFull(t *testing.T) {
	root := sign(t, nil, isCA)
	leaf := sign(t, root, forHost)
	for kind, opts := range map[client.Kind]*TLS{client.TCP: nil, client.TLS: {CA: write(t, root.block()), ServerName: "server.example"}} {
		t.Run(string(kind), func(t *testing.T) {
			read, all := make(chan struct{}), make(chan []byte, 1)
			goOn := sync.OnceFunc(func() { close(read) })
			defer goOn()
			slow := func(c net.Conn) {
				<-read
				b, _ := io.ReadAll(c)
				all <- b
			}
			port := serve(t, "127.0.0.1", func(c net.Conn) {
				_ = c.(*net.TCPConn).SetReadBuffer(8 << 10)
				if kind == client.TLS {
					s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}})
					_ = s.Handshake()
					c = s
				}
				slow(c)
			})
			var log []string
			u := &uplink{up: true, next: make(chan struct{})}
			c := u.ctrl(Config{Kind: kind, Host: "127.0.0.1", Port: port, TLS: opts}, &log)
			if !c.Connect(t.Context(), 0) {
				t.Fatal(c.Cause())
			}
			if err := c.conn.control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10) }); err != nil {
				t.Fatal(err)
			}
			message := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 8000) }
			taken, full := 0, false
			for ; !full && taken < 200; taken++ {
				var ok bool
				if ok, full = c.Tx(t.Context(), 200*time.Millisecond, message(taken)); full {
					if !ok {
						t.Error("full, and not ok: LuatOS's pair is true, true")
					}
					break
				}
			}
			if !full {
				t.Fatalf("never full: %v", c.Cause())
			}
			before, began := c.conn.Written(), time.Now()
			if ok, full := c.Tx(t.Context(), 0, message(taken)); !ok || !full || c.conn.Written() != before {
				t.Errorf("Tx again: %v, %v, %d bytes taken; want true, true, 0", ok, full, c.conn.Written()-before)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("full after %s: it must not wait", d)
			}
			goOn()
			for full = true; full && time.Since(began) < 20*time.Second; {
				var ok bool
				if ok, full = c.Tx(t.Context(), 20*time.Second, message(taken)); !ok {
					t.Fatalf("Tx to a peer that reads again: %v", c.Cause())
				}
			}
			c.Close(t.Context(), 10*time.Second)
			var want []byte
			for i := range taken + 1 {
				want = append(want, message(i)...)
			}
			if got := <-all; !bytes.Equal(got, want) {
				t.Errorf("the peer has %d bytes, want the %d of %d messages in their order", len(got), len(want), taken+1)
			}
		})
	}
}
