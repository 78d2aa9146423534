package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/order"
	"luatnetd/router"
)

// nft owns the lasting connection to nftables and the reader beside it.
type nft struct {
	log    *slog.Logger
	reader nfReader
	conn   *nftables.Conn // nil: open it
	socket *netlink.Conn  // of conn, for its deadline
	ports  portIDs

	// What was read last and at which generation: equal to the kernel's
	// number, nothing has changed and nothing needs to be read.
	gen    uint32
	tables map[string]*liveTable // nil: not valid
}

// portIDs are the netlink addresses of the connections that we changed
// nftables with: how the listener tells our own changes. The process id in a
// notification is a thread's and not of use.
type portIDs struct {
	mu  sync.Mutex // guards set
	set map[uint32]bool
}

func (p *portIDs) add(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		p.set = make(map[uint32]bool)
	}
	p.set[id] = true
}

func (p *portIDs) has(id uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set[id]
}

func newNFT(log *slog.Logger) *nft {
	return &nft{log: log, reader: nfReader{wire{family: unix.NETLINK_NETFILTER}}}
}

func (n *nft) command() (*nftables.Conn, error) {
	if n.conn != nil {
		return n.conn, nil
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		n.ports.add(c.PID())
		n.socket = c
		return buffers(c)
	}))
	if err != nil {
		return nil, fmt.Errorf("nftables connection: %w", err)
	}
	n.conn = conn
	return conn, nil
}

// drop closes the command connection. A closed one would silently go on with a
// socket per call, so it is forgotten.
func (n *nft) drop() {
	if n.conn != nil {
		_ = n.conn.CloseLasting()
		n.conn, n.socket = nil, nil
	}
}

func (n *nft) close() {
	n.drop()
	n.reader.close()
}

// commit queues a batch that was built and validated before, and sends it.
// After an error the connection is not usable (answers of this batch would be
// taken for those of the next, and a queue cannot be emptied): it is dropped,
// and done tells by reading back whether the kernel has obeyed all the same.
func (n *nft) commit(queue func(*nftables.Conn) error, done func() bool) error {
	conn, err := n.command()
	if err != nil {
		return err
	}
	err = queue(conn)
	if err == nil {
		err = errors.Join(n.socket.SetDeadline(time.Now().Add(answerWithin)), conn.Flush())
	}
	n.tables = nil
	if err == nil {
		return nil
	}
	n.drop()
	if !errors.Is(err, unix.EPERM) && done() {
		n.log.Debug("nftables batch reported an error and was applied", "error", err)
		return nil
	}
	return err
}

// replace puts the whole table in place of the old one, in one transaction.
// The first AddTable makes the delete valid where there is none.
func (n *nft) replace(t router.Table) error {
	p, err := compile(t)
	if err != nil {
		return err
	}
	err = n.commit(func(c *nftables.Conn) error {
		c.AddTable(p.table)
		c.DelTable(p.table)
		c.AddTable(p.table)
		return p.queue(c)
	}, func() bool { return n.equals(t) })
	if err != nil {
		return fmt.Errorf("replace table inet %s: %w", t.Name, err)
	}
	return nil
}

// equals reports whether the kernel now holds exactly that table.
func (n *nft) equals(t router.Table) bool {
	live, err := n.reader.table(t.Name)
	return err == nil && live != nil && identical(live.id, wantedID(t))
}

func (n *nft) delTable(name string) error {
	if !ours(name) {
		return fmt.Errorf("table %q: not one of ours", name)
	}
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
	err := n.commit(func(c *nftables.Conn) error {
		c.AddTable(table)
		c.DelTable(table)
		return nil
	}, func() bool {
		live, err := n.reader.table(name)
		return err == nil && live == nil
	})
	if err != nil {
		return fmt.Errorf("delete table inet %s: %w", name, err)
	}
	return nil
}

// identity returns a table's identity, nil when there is no such table. It
// costs one message while nobody has written to nftables since the last read.
func (n *nft) identity(name string) (*router.Identity, error) {
	gen, err := n.reader.generation()
	if err != nil {
		return nil, err
	}
	if gen != n.gen {
		n.tables = nil
	}
	live, known := n.tables[name]
	for try := 0; !known; try++ {
		if live, err = n.reader.table(name); err != nil {
			return nil, err
		}
		after, err := n.reader.generation()
		if err != nil {
			return nil, err
		}
		if known = after == gen; known {
			n.remember(gen, name, live)
		}
		if try == dumpTries {
			break // somebody writes all the time: the next read will see
		}
		gen = after
	}
	if live == nil {
		return nil, nil
	}
	id := live.id
	id.Chains, id.Counters, id.Sets = slices.Clone(id.Chains), slices.Clone(id.Counters), maps.Clone(id.Sets)
	return &id, nil
}

func (n *nft) remember(gen uint32, name string, live *liveTable) {
	if n.tables == nil {
		n.tables = make(map[string]*liveTable)
	}
	n.gen, n.tables[name] = gen, live
}

// wantedID is what a table looks like when it is read back.
func wantedID(t router.Table) router.Identity {
	id := router.Identity{Sets: make(map[string][]string), Counters: slices.Sorted(slices.Values(t.Counters))}
	for _, s := range t.Sets {
		id.Sets[s.Name] = slices.Sorted(slices.Values(s.Elements))
	}
	for _, c := range t.Chains {
		chain := router.ChainID{Name: c.Name}
		if c.Hook != nil {
			chain.Base = c.Hook.String()
		}
		for _, r := range c.Rules {
			chain.Hashes = append(chain.Hashes, r.Hash())
		}
		id.Chains = append(id.Chains, chain)
	}
	return id
}

// identical compares two identities. Rules are ordered, chains are not.
func identical(a, b router.Identity) bool {
	byName := func(list []router.ChainID) []router.ChainID {
		list = slices.Clone(list)
		order.Sort(list, func(x, y router.ChainID) int { return strings.Compare(x.Name, y.Name) })
		return list
	}
	chain := func(x, y router.ChainID) bool {
		return x.Name == y.Name && x.Base == y.Base && slices.Equal(x.Hashes, y.Hashes)
	}
	set := func(x, y []string) bool { return slices.Equal(x, y) }
	return a.Dormant == b.Dormant && slices.Equal(a.Counters, b.Counters) && maps.EqualFunc(a.Sets, b.Sets, set) &&
		slices.EqualFunc(byName(a.Chains), byName(b.Chains), chain)
}
