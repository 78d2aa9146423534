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

// hedge is how long one DNS server is waited for before the next is asked, too.
const hedge = time.Second

// ErrName says that the name does not exist: asking again now is useless.
var ErrName = errors.New("the name does not exist")

// Cache keeps the last good addresses of a host for each uplink. They are used
// while DNS fails; as long as it answers, every connect resolves anew. Its zero
// value is empty, a nil one keeps nothing; several connections may share it.
type Cache struct {
	mu   sync.Mutex // guards last
	last map[string][]netip.Addr
}

func (c *Cache) put(key string, list []netip.Addr) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string][]netip.Addr{}
	}
	c.last[key] = list
}

func (c *Cache) get(key string) []netip.Addr {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[key]
}

// Resolve returns the addresses of the host, asked for through the route; a
// literal address asks nobody. A host that does not exist is ErrName; while no
// server answers, the cache's last good addresses are returned.
func Resolve(ctx context.Context, cfg Config, route Route, cache *Cache) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(cfg.Host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	key := fmt.Sprintf("%s|%s|%t", route.Uplink, cfg.Host, cfg.IPv6)
	list, err := lookup(ctx, cfg.Host, cfg.IPv6, route)
	if err == nil {
		cache.put(key, list)
		return list, nil
	}
	if old := cache.get(key); old != nil && !errors.Is(err, ErrName) {
		return old, nil
	}
	return nil, fmt.Errorf("resolve %s through %s: %w", cfg.Host, uplinkName(route), err)
}

func uplinkName(r Route) string {
	if r.Uplink == "" {
		return "the system's route"
	}
	return "uplink " + r.Uplink
}

// lookup asks for A and, where wanted, AAAA at the same time.
func lookup(ctx context.Context, host string, ipv6 bool, route Route) ([]netip.Addr, error) {
	if len(route.DNS) == 0 {
		return nil, errors.New("the uplink has no DNS server")
	}
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	types := []dnsmessage.Type{dnsmessage.TypeA}
	if ipv6 {
		types = append(types, dnsmessage.TypeAAAA)
	}
	lists, errs := make([][]netip.Addr, len(types)), make([]error, len(types))
	var wg sync.WaitGroup
	for i, t := range types {
		wg.Go(func() {
			lists[i], errs[i] = ask(ctx, dnsmessage.Question{Name: name, Type: t, Class: dnsmessage.ClassINET}, route)
		})
	}
	wg.Wait()
	var all []netip.Addr
	for i := range max(len(lists[0]), len(lists[len(lists)-1])) { // RFC 8305 §4: families alternate, IPv6 first
		for k := len(lists) - 1; k >= 0; k-- {
			if i < len(lists[k]) {
				all = append(all, lists[k][i])
			}
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w as an address", ErrName)
}

type answer struct {
	list []netip.Addr
	err  error
}

// ask asks one server after the other, each a little later, and takes the first
// that knows.
func ask(ctx context.Context, q dnsmessage.Question, route Route) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answers := make(chan answer, len(route.DNS)) // capacity: nobody has to wait for us
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	next, open := 0, 0
	start := func() {
		if next == len(route.DNS) {
			return
		}
		server := route.DNS[next]
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
			start()
		case <-timer.C:
			start()
		}
	}
	return nil, errors.Join(errs...)
}

// exchange asks one server by UDP and, for an answer that is cut, by TCP.
func exchange(ctx context.Context, q dnsmessage.Question, server netip.AddrPort, route Route) ([]netip.Addr, error) {
	id := uint16(rand.Uint32())
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	query, err := m.Pack()
	if err != nil {
		return nil, err
	}
	reply, err := overUDP(ctx, query, id, q, server, route)
	if err != nil {
		return nil, err
	}
	if reply.Truncated {
		if reply, err = overTCP(ctx, query, server, route); err != nil {
			return nil, err
		}
	}
	return addresses(reply)
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
		// Anything else is somebody's guess, not our answer (RFC 5452 §4).
		if m.Unpack(buf[:n]) == nil && m.ID == id && m.Response && len(m.Questions) == 1 && sameQuestion(m.Questions[0], q) {
			return m, nil
		}
	}
}

func sameQuestion(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}

func overTCP(ctx context.Context, query []byte, server netip.AddrPort, route Route) (m dnsmessage.Message, err error) {
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
	return m, m.Unpack(buf)
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
