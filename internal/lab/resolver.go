package lab

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// PublicName is the web server's name in the resolvers of the providers. It is
// of RFC 2606, and not of .test: a good forwarder never asks for that.
const PublicName = "www.example.com"

// ServeDNS starts the provider's own resolver on its address on the uplink. It
// knows PublicName, and answers even while the provider carries nothing to the
// internet. The caller closes it.
func (p *ISP) ServeDNS() (io.Closer, error) {
	var c net.PacketConn
	err := p.Do(func() (err error) {
		c, err = net.ListenPacket("udp4", net.JoinHostPort(p.Gateway.String(), "53"))
		return err
	})
	if err != nil {
		return nil, err
	}
	go resolve(c)
	return c, nil
}

// resolve answers until the socket is closed.
func resolve(c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if reply, err := resolved(buf[:n]); err == nil {
			_, _ = c.WriteTo(reply, from) // a lost answer is asked for again
		}
	}
}

// resolved is the answer to a query.
func resolved(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	if m.Response || len(m.Questions) != 1 {
		return nil, errors.New("not a query")
	}
	q := m.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true},
		Questions: m.Questions,
	}
	switch known := strings.EqualFold(q.Name.String(), PublicName+"."); {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(WebAddr).As4()},
		}}
	}
	return reply.Pack()
}
