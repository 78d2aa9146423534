package sock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

type answer struct {
	list []netip.Addr
	err  error
}

// ask asks one server after the other, each a little later, then all of them
// again, and takes the first that knows.
func ask(ctx context.Context, q dnsmessage.Question, route Route) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	most := rounds * len(route.DNS)
	answers := make(chan answer, most) // capacity: nobody has to wait for us
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	next, open := 0, 0
	start := func() {
		if next == most {
			return
		}
		server := route.DNS[next%len(route.DNS)]
		next, open = next+1, open+1
		wg.Go(func() {
			list, err := exchange(ctx, q, server, route)
			if err != nil && !errors.Is(err, ErrName) {
				err = fmt.Errorf("DNS server %s: %w", server, err)
			}
			answers <- answer{list, err}
		})
	}
	start()
	timer := time.NewTicker(hedge)
	defer timer.Stop()
	var errs []error
	for open > 0 {
		select {
		case a := <-answers:
			open--
			if a.err == nil || errors.Is(a.err, ErrName) {
				return a.list, a.err
			}
			errs = append(errs, a.err)
			if next < len(route.DNS) { // a server that refuses does so again at once
				start()
			}
		case <-timer.C:
			start()
		}
	}
	return nil, firstOf(errs)
}

// firstOf is the error that says most: a server that refused before one that is silent.
func firstOf(errs []error) error {
	for _, err := range errs {
		if !isTimeout(err) {
			return err
		}
	}
	return errs[0]
}

// exchange asks one server by UDP and, for an answer that is cut, by TCP.
func exchange(ctx context.Context, q dnsmessage.Question, server netip.AddrPort, route Route) ([]netip.Addr, error) {
	id := uint16(rand.Uint32())
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	query, err := m.Pack()
	if err != nil {
		return nil, err
	}
	got, err := overUDP(ctx, query, id, q, server, route)
	if err != nil {
		return nil, err
	}
	if got.Truncated {
		if got, err = overTCP(ctx, query, id, q, server, route); err != nil {
			return nil, err
		}
	}
	return addresses(got)
}

func overUDP(ctx context.Context, query []byte, id uint16, q dnsmessage.Question, server netip.AddrPort, route Route) (m dnsmessage.Message, err error) {
	c, err := dialDNS(ctx, "udp", server, route)
	if err != nil {
		return m, err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(query); err != nil {
		return m, err
	}
	buf := make([]byte, 1500)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return m, err
		}
		if m, ok := reply(buf[:n], id, q); ok {
			return m, nil
		}
	}
}

// reply reads an answer. Anything that does not fit the question is somebody's
// guess, not our answer (RFC 5452 §4).
func reply(b []byte, id uint16, q dnsmessage.Question) (m dnsmessage.Message, ok bool) {
	ok = m.Unpack(b) == nil && m.ID == id && m.Response && len(m.Questions) == 1 && sameQuestion(m.Questions[0], q)
	return m, ok
}

func sameQuestion(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}

func overTCP(ctx context.Context, query []byte, id uint16, q dnsmessage.Question, server netip.AddrPort, route Route) (m dnsmessage.Message, err error) {
	c, err := dialDNS(ctx, "tcp", server, route)
	if err != nil {
		return m, err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return m, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return m, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, buf); err != nil {
		return m, err
	}
	m, ok := reply(buf, id, q)
	if !ok {
		return m, errors.New("its answer by TCP is no answer to the question")
	}
	return m, nil
}

func dialDNS(ctx context.Context, network string, server netip.AddrPort, route Route) (net.Conn, error) {
	c, err := route.Bind.Dialer(0).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // a cancelled question ends at once
	return c, nil
}

// addresses returns what an answer holds, whatever aliases lead there.
func addresses(m dnsmessage.Message) ([]netip.Addr, error) {
	switch m.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return nil, ErrName
	default:
		return nil, fmt.Errorf("it answers %s", strings.TrimPrefix(m.RCode.String(), "RCode"))
	}
	var list []netip.Addr
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			list = append(list, netip.AddrFrom4(b.A))
		case *dnsmessage.AAAAResource:
			list = append(list, netip.AddrFrom16(b.AAAA))
		}
	}
	return list, nil
}
