package drive

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
	"luatnetd/modem/tty"
)

// world is a driver and an emulated modem in virtual time, with net.Pipe for
// the cable and the engine's part played by the test: leases, probes, bytes.
type world struct {
	t      *testing.T
	emu    *modemtest.Modem
	d      *Driver
	driver atomic.Pointer[Driver] // d for see
	cfg    Config
	stop   context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex // guards what follows
	out      Outside
	pulled   []modem.Lever
	told     []modem.Tell
	releases int
	host     engineModel // the engine's part
	calls    callFacts
	logged   sink   // has its own lock
	answers  string // to an operator; the test's own
	lines    []net.Conn
	life     context.Context // of what outlives the driver
	die      context.CancelFunc
}

// profilesOnce are the embedded profiles.
var profilesOnce = sync.OnceValue(func() modem.Profiles {
	p, err := modem.LoadProfiles("", nil)
	if err != nil {
		panic(err)
	}
	return p
})

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
	o.PPP = w.carry
	w.emu = modemtest.New(p, o)
	profiles := profilesOnce()
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
		Settings: set, Profiles: profiles, Seed: 1, Dir: t.TempDir(), RunDir: t.TempDir(), Now: time.Now, Log: w.logged.logger(),
		Dial: w.dial, Plane: w.plane, Pull: w.pull, Terminal: w.terminal,
		Received: func(string) (uint64, bool) { return w.host.bytes.Load(), true },
	}
	w.out = Outside{Enabled: true, Path: modem.PathUnknown}
	return w
}

// start runs a driver, as the daemon's start does.
func (w *world) start() {
	w.d = New(w.cfg)
	w.driver.Store(w.d)
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
	d := w.driver.Load()
	if d == nil {
		return
	}
	link := d.Link() // before w.mu: the driver asks for Received with its own lock held
	w.mu.Lock()
	w.out.Device = dev
	w.out.Lease, w.out.Path = w.host.see(time.Now(), link, st, w.carriesLocked(link, st))
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
		w.host.release()
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
		if pppd := w.calls.proc; pppd != nil && pppd.plan.Kind == modem.DataPPP && pppd.plan.Port == path {
			w.calls.touched = append(w.calls.touched, path)
		}
		w.mu.Unlock()
		ctx, end := context.WithCancel(w.life)
		go func() {
			err := w.emu.Serve(ctx, p.Interface, theirs)
			for errors.Is(err, modemtest.ErrBusy) && ctx.Err() == nil { // the line that was closed is not down yet
				time.Sleep(10 * time.Millisecond)
				err = w.emu.Serve(ctx, p.Interface, theirs)
			}
			_ = theirs.Close()
		}()
		return hostEnd{ours, end}, nil
	}
	return nil, os.ErrNotExist
}

// hostEnd is the host's end of a line: DTR falls when it is closed, also for a
// modem that does not read.
type hostEnd struct {
	net.Conn
	end context.CancelFunc
}

func (h hostEnd) Close() error {
	h.end()
	return h.Conn.Close()
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
