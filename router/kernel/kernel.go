package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// Config says where a Kernel keeps its memory and whose marks it writes.
type Config struct {
	// RunDir is a directory that does not outlive a boot; it is made if missing.
	RunDir string
	// Marks is the mark field; zero means router.DefaultMask.
	Marks router.Marks
	// Log may be nil.
	Log *slog.Logger
}

// Kernel reads and changes the network state of the calling thread's
// namespace. It is not safe for concurrent use, except Foreign.
type Kernel struct {
	log     *slog.Logger
	marks   router.Marks
	rtnl    wire // requests
	dumps   wire // strict dumps
	diag    wire
	nft     *nft
	track   tracker
	listed  *addrList
	sys     *sysctls
	mtus    *mtus
	nudger  *nudger
	foreign *foreignListener
	flushed []afterFlush
	closed  bool
	made    []string // Made, as of the last read of the devices

	do          func(router.Op) error // executes one op; tests put failures in front
	noAddrProto bool                  // tests: a kernel before 5.18
}

// Failure is an op that was not done, and why.
type Failure struct {
	Op  router.Op
	Err error
}

func (f Failure) Error() string { return fmt.Sprintf("%s: %v", f.Op, f.Err) }

// Unwrap returns the cause.
func (f Failure) Unwrap() error { return f.Err }

// Open opens the sockets in the calling thread's namespace. The caller closes
// the Kernel.
func Open(c Config) (*Kernel, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Marks == 0 {
		c.Marks = router.DefaultMask
	}
	if err := c.Marks.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.RunDir, 0o755); err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	k := &Kernel{
		log: c.Log, marks: c.Marks, nft: newNFT(c.Log),
		rtnl: wire{family: unix.NETLINK_ROUTE}, dumps: wire{family: unix.NETLINK_ROUTE, strict: true},
		diag: wire{family: unix.NETLINK_SOCK_DIAG},
	}
	k.do = k.execute
	k.listed, k.sys, k.mtus = openAddrList(c.RunDir, c.Log), openSysctls(c.RunDir, c.Log), openMTUs(c.RunDir, c.Log)
	foreign, err := listenForeign(&k.nft.ports)
	if err != nil {
		return nil, err
	}
	k.foreign = foreign
	k.nudger = openNudger(c.Marks.Untracked(), c.Log)
	return k, nil
}

// Close closes every socket; a second call does nothing. What is in the kernel
// stays.
func (k *Kernel) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	k.nudger.close()
	k.foreign.close()
	k.nft.close()
	k.track.close()
	for _, w := range []*wire{&k.rtnl, &k.dumps, &k.diag} {
		w.close()
	}
	return nil
}

// Foreign delivers the name of a program that changed nftables, whatever
// table, as a reason to read again. Capacity 1; further changes are covered by
// the one that waits.
func (k *Kernel) Foreign() <-chan string { return k.foreign.out }

// RestoreSysctls puts back the values from before our first write.
func (k *Kernel) RestoreSysctls() error { return k.sys.restore() }

// Originals returns the sysctls that we changed since boot and their values
// before.
func (k *Kernel) Originals() map[string]string { return maps.Clone(k.sys.original) }

// Made returns the bridges that exist and were made by us.
func (k *Kernel) Made() ([]string, error) {
	list, err := k.links()
	return madeByUs(list), err
}

func madeByUs(list []link) []string {
	var made []string
	for _, l := range list {
		if l.kind == "bridge" && l.alias == ourAlias {
			made = append(made, l.name)
		}
	}
	return made
}

// Read returns everything of ours and the devices that the plan names.
func (k *Kernel) Read(ctx context.Context, p router.Plan) (router.Have, error) {
	h, failed := k.read(ctx, p, router.AllRooms)
	errs := make([]error, 0, len(failed))
	for _, r := range router.AllRooms.Each() {
		if err := failed[r]; err != nil {
			errs = append(errs, err)
		}
	}
	return h, errors.Join(errs...)
}

// read reads the given rooms and says which it could not; those and the
// others are left empty.
func (k *Kernel) read(ctx context.Context, p router.Plan, rooms router.Rooms) (h router.Have, failed map[router.Rooms]error) {
	n := k.names(nil)
	failed = make(map[router.Rooms]error)
	steps := []struct {
		room router.Rooms
		read func() error
	}{
		{router.RoomLinks, func() error { return k.readLinks(&h, p, n) }},
		{router.RoomAddrs, func() (err error) { h.Addrs, err = k.ourAddrs(n); return err }},
		{router.RoomMain | router.RoomRoutes, func() error { return k.readRoutes(&h, rooms, n) }},
		{router.RoomRules, func() (err error) { h.Rules, err = k.ourRules(); return err }},
		{router.RoomTable, func() (err error) { h.Table, err = k.nft.identity(router.TableName); return err }},
		{router.RoomAcct, func() (err error) { h.Acct, err = k.nft.identity(router.AcctName); return err }},
		{router.RoomSysctls, func() error { return k.readSysctls(&h, p) }},
	}
	for _, s := range steps {
		if !rooms.Has(s.room) {
			continue
		}
		err := ctx.Err()
		if err == nil {
			err = s.read()
		}
		if err != nil {
			for _, r := range (rooms & s.room).Each() {
				failed[r] = err
			}
		}
	}
	return h, failed
}

func (k *Kernel) readLinks(h *router.Have, p router.Plan, n *names) error {
	list, err := k.links()
	if err != nil {
		return err
	}
	k.made = madeByUs(list)
	for _, l := range list {
		n.known[l.index] = l.name
	}
	h.Devices = []string{}
	for _, l := range list {
		h.Devices = append(h.Devices, l.name)
		if slices.ContainsFunc(p.Links, func(s router.LinkSpec) bool { return s.Name == l.name }) {
			master := ""
			if l.master != 0 {
				master, _ = n.of(l.master)
			}
			h.Links = append(h.Links, router.LinkSpec{Name: l.name, Bridge: l.kind == "bridge", Master: master, Up: l.up, MTU: l.mtu})
		}
	}
	slices.Sort(h.Devices)
	k.mtus.keep(func(device string) bool { return slices.Contains(h.Devices, device) })
	h.MTUs = maps.Clone(k.mtus.original)
	return nil
}

// readRoutes splits our routes into the defaults in main and the rest. For
// main alone the kernel walks that one table.
func (k *Kernel) readRoutes(h *router.Have, rooms router.Rooms, n *names) error {
	table := uint32(0)
	if !rooms.Has(router.RoomRoutes) {
		table = router.TableMain
	}
	list, err := k.ourRoutes(table, n)
	if err != nil {
		return err
	}
	for _, r := range list {
		switch {
		case r.Table == router.TableMain && r.Dst.Bits() == 0:
			h.Main = append(h.Main, r)
		case rooms.Has(router.RoomRoutes):
			h.Routes = append(h.Routes, r)
		}
	}
	return nil
}

// readSysctls reads those of the plan, and those that we changed: a device
// that left the plan gets its values back.
func (k *Kernel) readSysctls(h *router.Have, p router.Plan) error {
	h.Sysctls = make(map[string]string)
	paths := slices.Collect(maps.Keys(k.sys.original))
	for _, s := range p.Sysctls {
		paths = append(paths, s.Path())
	}
	for _, path := range paths {
		v, ok, err := readSysctl(path)
		if err != nil {
			return err
		}
		if ok {
			h.Sysctls[path] = v
		}
	}
	return nil
}

// Apply executes the ops in order. One that fails is reported and the rest go
// on, except that nothing is flushed after a failed Verify. When the context
// ends, what is left is reported as not done.
func (k *Kernel) Apply(ctx context.Context, ops []router.Op) []Failure {
	var failures []Failure
	var stop error
	for _, op := range ops {
		err := ctx.Err()
		if _, flush := op.(router.FlushMark); flush && err == nil {
			err = stop
		}
		if err == nil {
			err = k.do(op)
		}
		if err == nil {
			continue
		}
		if _, verify := op.(router.Verify); verify {
			stop = fmt.Errorf("nothing is flushed: %w", err)
		}
		failures = append(failures, Failure{Op: op, Err: err})
	}
	k.finish()
	return failures
}

// execute does one op.
func (k *Kernel) execute(op router.Op) error {
	switch o := op.(type) {
	case router.MakeBridge:
		return k.makeBridge(o.Name)
	case router.DelLink:
		return k.delLink(o.Name)
	case router.SetMaster:
		return k.setMaster(o)
	case router.SetUp:
		return k.setUp(o)
	case router.SetMTU:
		return k.setMTU(o)
	case router.AddAddr:
		return k.addAddr(o.AddrSpec)
	case router.DelAddr:
		return k.delAddr(o.AddrSpec)
	case router.AddRoute:
		return k.addRoute(o.RouteSpec)
	case router.DelRoute:
		return k.delRoute(o.RouteSpec)
	case router.AddRule:
		return k.addRule(o.RuleSpec)
	case router.DelRule:
		return k.delRule(o.RuleSpec)
	case router.SetSysctl:
		return k.setSysctl(o.Sysctl)
	case router.ReplaceTable:
		return k.nft.replace(o.Table)
	case router.SyncTable:
		return k.nft.sync(o.Table)
	case router.DelTable:
		return k.nft.delTable(o.Name)
	case router.Verify:
		return k.verify(o.Lookup)
	case router.FlushMark:
		return k.flushMark(o)
	}
	return fmt.Errorf("op %T: not known", op)
}

func (k *Kernel) setSysctl(s router.Sysctl) error {
	noted, err := k.sys.write(s)
	if noted {
		k.log.Debug("sysctl does not exist here", "path", s.Path())
	}
	return err
}
