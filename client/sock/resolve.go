package sock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"luatnetd/client"
)

const (
	// hedge is how long one DNS server is waited for before the next is asked, too.
	hedge = time.Second
	// rounds is how often each server is asked: datagrams get lost, and LuatOS
	// asks three times as well (0.9, 1.8 and 2.7 s).
	rounds = 3
	// patience is how long a name may take altogether.
	patience = 5 * time.Second
	// spare is the part of a time-out that the name may take where older
	// addresses are known: the rest is for connecting to them.
	spare = 3
)

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
	old := cache.get(key)
	asking, cancel := hurry(ctx, old != nil)
	defer cancel()
	list, err := lookup(asking, cfg.Host, cfg.IPv6, route)
	if err == nil {
		cache.put(key, list)
		return list, nil
	}
	if old != nil && !errors.Is(err, ErrName) && ctx.Err() == nil {
		return old, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		err = ctx.Err() // the questions end with a time-out then
	}
	return nil, &nameError{host: cfg.Host, uplink: uplinkName(route), err: err}
}

// hurry is ctx, ended early enough to use what is known already.
func hurry(ctx context.Context, known bool) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || !known {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(end)/spare)
}

// nameError is a name that has no address. Whatever happened, it happened
// between us and DNS: the server itself was neither asked nor reached.
type nameError struct {
	host, uplink string
	err          error
}

func (e *nameError) Error() string {
	return fmt.Sprintf("resolve %s through %s: %v", e.host, e.uplink, e.err)
}
func (e *nameError) Unwrap() error { return e.err }

// cause explains it: the code of the reason, but never as an answer.
func (e *nameError) cause() client.Cause {
	switch {
	case errors.Is(e.err, ErrName):
		return client.Cause{Code: client.CodeArgument, Text: e.Error()}
	case errors.Is(e.err, context.Canceled):
		return client.Cause{Code: client.CodeAborted, Text: e.Error()}
	case isTimeout(e.err):
		return client.Cause{Code: client.CodeTimeout, Text: fmt.Sprintf("resolve %s through %s: no DNS server has answered in time", e.host, e.uplink)}
	}
	return client.Cause{Code: client.CodeRoute, Text: e.Error()}
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
