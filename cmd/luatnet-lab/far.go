package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"luatnetd/internal/lab"
)

// serverName is what the certificates of the servers say.
const serverName = "server.example"

// far is the other side of one long connection: a server of the virtual
// internet that can be killed and started again.
type far struct {
	name, label string // in the configuration, and in "recv from LABEL server: "
	port        int
	tls         *tls.Config // nil for plain TCP and for UDP
	udp         bool
	ns          *lab.NS
	say         func(format string, args ...any)

	mu    sync.Mutex // guards what follows
	stop  func()     // nil while it is dead
	write map[net.Conn]func([]byte) error
	got   bytes.Buffer // from all clients, in the order of arrival
	at    []time.Time  // of each arrival
}

// farSide makes the servers of the demo, none of them running. The files of
// the certificates are made in dir.
func farSide(ns *lab.NS, dir string, say *narrator) ([]*far, error) {
	pki, err := lab.NewPKI(dir, serverName, lab.WebAddr)
	if err != nil {
		return nil, err
	}
	plain, err := serverTLS(pki, false)
	if err != nil {
		return nil, err
	}
	mutual, err := serverTLS(pki, true)
	if err != nil {
		return nil, err
	}
	all := []*far{
		{name: "tcp", label: "tcp", port: 42145},
		{name: "udp", label: "udp", port: 47708, udp: true},
		{name: "tls", label: "tcp_ssl", port: 43428, tls: plain},
		{name: "tls_ca", label: "tcp_ssl_ca", port: 44443, tls: plain},
		{name: "mutual", label: "tcp_ssl_mutual", port: 45443, tls: mutual},
	}
	for _, f := range all {
		f.ns, f.write = ns, map[net.Conn]func([]byte) error{}
		f.say = func(format string, args ...any) { say.line("server", f.name+" "+format, args...) }
	}
	return all, nil
}

// serverTLS is how the TLS servers present themselves; one that is mutual
// wants a certificate of the client, too.
func serverTLS(pki lab.PKI, mutual bool) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(pki.ServerCert, pki.ServerKey)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}}
	if !mutual {
		return cfg, nil
	}
	text, err := os.ReadFile(pki.CA)
	if err != nil {
		return nil, err
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !cfg.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", pki.CA)
	}
	return cfg, nil
}

// start lets the server answer; one that runs already goes on.
func (f *far) start() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		return nil
	}
	addr := fmt.Sprintf("%s:%d", lab.WebAddr, f.port)
	return f.ns.Do(func() error {
		if f.udp {
			c, err := net.ListenPacket("udp4", addr)
			if err == nil {
				f.stop = func() { _ = c.Close() }
				go f.datagrams(c)
			}
			return err
		}
		l, err := net.Listen("tcp4", addr)
		if err == nil {
			f.stop = func() { _ = l.Close() }
			go f.accept(l)
		}
		return err
	})
}

// kill ends the server and its sessions, as the end of its process would.
func (f *far) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		return
	}
	f.stop()
	f.stop = nil
	for c := range f.write {
		_ = c.Close()
		delete(f.write, c)
	}
}

func (f *far) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go f.session(c)
	}
}

// session serves one client until it goes or the server is killed.
func (f *far) session(raw net.Conn) {
	defer raw.Close()
	c := raw
	if f.tls != nil {
		c = tls.Server(raw, f.tls)
	}
	if !f.enter(raw, func(p []byte) error { _, err := c.Write(p); return err }) {
		return
	}
	f.say("has a session with %s", raw.RemoteAddr())
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			f.hear(buf[:n])
		}
		if err != nil {
			f.leave(raw)
			return
		}
	}
}

// datagrams keeps the latest sender as the only client.
func (f *far) datagrams(c net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about something sent before
		}
		f.mu.Lock()
		f.write = map[net.Conn]func([]byte) error{nowhere{}: func(p []byte) error { _, err := c.WriteTo(p, from); return err }}
		f.mu.Unlock()
		f.hear(buf[:n])
	}
}

// nowhere stands for the session that UDP does not have.
type nowhere struct{ net.Conn }

func (nowhere) Close() error { return nil }

// enter notes a session; false means that the server was killed meanwhile.
func (f *far) enter(c net.Conn, write func([]byte) error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.write[c] = write
	}
	return f.stop != nil
}

func (f *far) leave(c net.Conn) {
	f.mu.Lock()
	_, was := f.write[c]
	delete(f.write, c)
	f.mu.Unlock()
	if was { // not killed by us
		f.say("lost its session with %s", c.RemoteAddr())
	}
}

// hear keeps what arrived, and tells it unless it is the flow of the meter,
// which nobody could read.
func (f *far) hear(p []byte) {
	f.mu.Lock()
	f.got.Write(p)
	f.at = append(f.at, time.Now())
	f.mu.Unlock()
	if !bytes.Contains(p, []byte(flowTag)) {
		f.say("got %s", quoted(p))
	}
}

// speak sends text to everybody who is connected.
func (f *far) speak(text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stop == nil:
		return fmt.Errorf("server %s is dead; start %s revives it", f.name, f.name)
	case len(f.write) == 0:
		return fmt.Errorf("server %s has no client now", f.name)
	}
	var all []error
	for _, write := range f.write {
		all = append(all, write([]byte(text)))
	}
	return errors.Join(all...)
}

// all is everything that the server got.
func (f *far) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got.String()
}

// silence is the longest time without an arrival from a moment on.
func (f *far) silence(from time.Time) (longest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := from
	for _, t := range f.at {
		if t.After(from) {
			longest, last = max(longest, t.Sub(last)), t
		}
	}
	return longest
}

// quoted is p for a line of the narrator.
func quoted(p []byte) string {
	const most = 100
	if len(p) > most {
		return fmt.Sprintf("%q … (%d bytes)", p[:most], len(p))
	}
	return fmt.Sprintf("%q", p)
}
