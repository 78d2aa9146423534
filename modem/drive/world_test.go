package drive

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/data"
	"luatnetd/modem/modemtest"
	"luatnetd/modem/tty"
)

// world is a driver and an emulated modem in virtual time, with net.Pipe for
// the cable and the engine's part played by the test: leases, probes, bytes.
type world struct {
	t     *testing.T
	emu   *modemtest.Modem
	d     *Driver
	cfg   Config
	stop  context.CancelFunc
	ended chan struct{}

	mu       sync.Mutex // guards what follows
	out      Outside
	bytes    uint64
	pulled   []modem.Lever
	told     []modem.Tell
	releases int
	noDHCP   bool               // no lease, whatever the modem does
	call     *modemtest.PPPCall // that runs
	callUp   chan struct{}      // closed when a call begins; replaced when it ends
	lines    []net.Conn
	life     context.Context // of what outlives the driver
	die      context.CancelFunc
}

// newWorld makes a personality and the driver for it; nothing runs yet.
func newWorld(t *testing.T, id string, o modemtest.Options, set modem.Settings) *world {
	t.Helper()
	p, ok := modemtest.ByID(id)
	if !ok {
		t.Fatalf("no personality %q", id)
	}
	w := &world{t: t}
	w.life, w.die = context.WithCancel(context.Background())
	changed := func() { w.see() }
	o.Vanished, o.Returned = changed, changed
	o.Data = func(modemtest.DataState) { w.see() }
	o.PPP, w.callUp = w.carry, make(chan struct{})
	w.emu = modemtest.New(p, o)
	profiles, err := modem.LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	set.Uplink = "4g"
	if set.USBMode == "" {
		set.USBMode = "keep"
	}
	if set.Data == "" {
		set.Data = "auto"
	}
	if set.SIM.PDPType == "" {
		set.SIM.PDPType, set.SIM.Roaming = "IP", true
	}
	w.cfg = Config{
		Settings: set, Profiles: profiles, Seed: 1, Dir: t.TempDir(), RunDir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Dial: w.dial, Plane: w.plane, Pull: w.pull, Terminal: func(c tty.Conn) (*os.File, error) { return nil, nil },
		Received: func(string) (uint64, bool) { w.mu.Lock(); defer w.mu.Unlock(); return w.bytes, true },
	}
	w.out = Outside{Enabled: true, Path: modem.PathUnknown}
	return w
}

// start runs a driver, as the daemon's start does.
func (w *world) start() {
	w.d = New(w.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	w.stop, w.ended = cancel, ended
	d := w.d
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	go func() {
		for {
			select {
			case ev := <-d.Events():
				w.heard(ev)
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() { // the engine turns once a second
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.see()
			case <-ctx.Done():
				return
			}
		}
	}()
	w.see()
}

// kill ends the driver without a word, as kill -9 does; data goes on.
func (w *world) kill() {
	w.stop()
	<-w.ended
}

// close ends everything.
func (w *world) close() {
	w.kill()
	w.die()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.lines {
		_ = c.Close()
	}
}

// see shows the driver what the engine would see.
func (w *world) see() {
	dev, st := w.emu.Device(), w.emu.Data()
	w.mu.Lock()
	if w.d == nil {
		w.mu.Unlock()
		return
	}
	d := w.d
	w.mu.Unlock()
	link := d.Link() // not under our lock: the driver asks for received bytes under its own
	w.mu.Lock()
	w.out.Device = dev
	w.out.Lease = netip.Prefix{}
	if link.Up && !w.noDHCP {
		switch {
		case link.External:
			w.out.Lease = netip.PrefixFrom(link.Bearer.Addr4, 32)
		case !st.Up:
		case st.DHCP == modemtest.DHCPGood && st.Gateway.IsValid():
			w.out.Lease = netip.PrefixFrom(st.Gateway.Next(), 24)
		case link.Bearer.Addr4.IsValid():
			w.out.Lease = netip.PrefixFrom(link.Bearer.Addr4, 32)
		}
	}
	if w.out.Lease.IsValid() && (st.Forwards || link.External) {
		w.bytes += 1000
		w.out.Path = modem.PathAlive
	} else if w.out.Lease.IsValid() {
		w.out.Path = modem.PathDead
	} else {
		w.out.Path = modem.PathUnknown
	}
	out := w.out
	w.mu.Unlock()
	d.Show(out)
}

func (w *world) heard(ev Event) {
	w.mu.Lock()
	if ev.Tell != nil {
		w.told = append(w.told, *ev.Tell)
	}
	if ev.Release != nil {
		w.releases++
	}
	w.mu.Unlock()
	w.see()
}

// dial opens the emulated tty of that path.
func (w *world) dial(ctx context.Context, path string) (tty.Conn, error) {
	dev := w.emu.Device()
	if dev == nil {
		return nil, os.ErrNotExist
	}
	for _, p := range dev.Ports {
		if p.Path != path {
			continue
		}
		ours, theirs := net.Pipe()
		w.mu.Lock()
		w.lines = append(w.lines, ours)
		w.mu.Unlock()
		go func() {
			err := w.emu.Serve(w.life, p.Interface, theirs)
			for errors.Is(err, modemtest.ErrBusy) { // the line that was closed is not down yet
				time.Sleep(10 * time.Millisecond)
				err = w.emu.Serve(w.life, p.Interface, theirs)
			}
			if err != nil {
				_ = theirs.Close()
			}
		}()
		return ours, nil
	}
	return nil, os.ErrNotExist
}

func (w *world) pull(_ context.Context, l modem.Lever, _ *modem.Device) error {
	w.mu.Lock()
	w.pulled = append(w.pulled, l)
	w.mu.Unlock()
	switch l {
	case modem.LeverNewID:
		w.emu.NewID()
	case modem.LeverRebind, modem.LeverHub:
		w.emu.Unplug()
		w.emu.Plug(time.Second)
	case modem.LeverPower:
		w.emu.Power(false)
		time.Sleep(5 * time.Second)
		w.emu.Power(true)
	}
	return nil
}

// plane is the real netdev plane, or a PPP, QMI or MBIM session that is up
// while the modem's bearer is.
func (w *world) plane(plan modem.DataPlan) (data.Plane, error) {
	if plan.Kind == modem.DataNetdev {
		return data.New(plan, data.Env{Dir: w.cfg.Dir, Name: "4g", Link: func(string, bool) error { return nil }})
	}
	return &session{w: w, plan: plan, changes: make(chan modem.DataChanged, 4), end: make(chan struct{})}, nil
}

// session plays pppd, uqmi and umbim.
type session struct {
	w       *world
	plan    modem.DataPlan
	changes chan modem.DataChanged
	once    sync.Once
	end     chan struct{}
}

func (s *session) Changes() <-chan modem.DataChanged { return s.changes }
func (s *session) Adopt(context.Context) bool        { return false }

// carry is the peer of a PPP call: it reads until the call is over.
func (w *world) carry(c modemtest.PPPCall) {
	w.mu.Lock()
	w.call = &c
	close(w.callUp)
	w.mu.Unlock()
	_, _ = io.Copy(io.Discard, c.RW)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call, w.callUp = nil, make(chan struct{})
}

func (w *world) callNow() (*modemtest.PPPCall, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.call, w.callUp
}

func (s *session) Start(ctx context.Context, _ *os.File) error {
	if s.plan.Kind != modem.DataPPP {
		s.w.emu.Bind(true)
		s.changes <- modem.DataChanged{Up: true, Netdev: s.plan.Netdev, Bearer: modem.Bearer{Addr4: s.w.emu.Data().Addr4}}
		go s.watch(func() bool { return s.w.emu.Data().Up })
		return nil
	}
	_, up := s.w.callNow()
	select {
	case <-up:
	case <-time.After(30 * time.Second):
		return errors.New("nobody speaks PPP")
	case <-ctx.Done():
		return ctx.Err()
	}
	c, _ := s.w.callNow()
	if c == nil || c.Fault != "" {
		cause := modem.DataNegotiat
		if c != nil && c.Fault == "ppp-auth" {
			cause = modem.DataAuth
		}
		s.over(cause)
		return nil
	}
	s.changes <- modem.DataChanged{Up: true, Netdev: "ppp0", Bearer: modem.Bearer{Addr4: c.Data.Addr4}}
	go s.watch(func() bool { c, _ := s.w.callNow(); return c != nil })
	return nil
}

func (s *session) watch(up func() bool) {
	for up() {
		select {
		case <-time.After(time.Second):
		case <-s.end:
			s.over(modem.DataAsked)
			return
		case <-s.w.life.Done():
			return
		}
	}
	s.over(modem.DataPeer)
}

func (s *session) over(cause modem.DataCause) {
	s.once.Do(func() {
		s.changes <- modem.DataChanged{Netdev: "ppp0", Cause: cause}
		close(s.changes)
	})
}

func (s *session) Stop(context.Context) error {
	select {
	case <-s.end:
	default:
		close(s.end)
	}
	s.over(modem.DataAsked)
	return nil
}

// until waits in virtual time until the state is one of these.
func (w *world) until(limit time.Duration, states ...modem.State) time.Duration {
	w.t.Helper()
	began := time.Now()
	for time.Since(began) <= limit {
		synctest.Wait()
		s := w.d.Status()
		for _, want := range states {
			if s.State == want {
				return time.Since(began)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("after %s it is %s, code %q: %s; want %v\nlast commands: %s", limit, w.d.Status().State, w.d.Status().Code, w.d.Status().Cause, states, w.lastCommands(12))
	return 0
}

func (w *world) lastCommands(n int) string {
	log := w.emu.Log()
	var b strings.Builder
	for _, e := range log[max(0, len(log)-n):] {
		b.WriteString("\n\t" + strconv.Itoa(e.Port) + " " + e.Text)
	}
	return b.String()
}
