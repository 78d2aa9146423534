package modem

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// host is the computer around a machine: ports, netdev, disk, prober.
type host struct {
	*toy
	rng      *rand.Rand
	m        *Machine
	set      Settings
	profiles Profiles
	device   Device
	power    time.Duration // world time of the host's boot
	disk     []byte        // JSON of Memory
	saves    []time.Duration
	pulls    int
	coming   []coming
	open     map[string]bool

	dataOn   bool
	plan     DataPlan
	lease    int // host part, 0 none
	leaseAt  time.Duration
	noDHCP   bool
	blocked  bool // the prober's targets do not answer though data flows
	received uint64
	good     bool          // the path was good at last
	turned   time.Duration // since when it has been so
	traffic  uint64        // bytes a second while the path is good
	log      []string
	quiet    bool
	chaos    time.Duration // the daemon is killed about so often; 0 never
	doom     time.Duration
	broken   map[string]error    // port: what becomes of a command instead of silence
	says     map[string][]string // answers of a test
	sentText map[string]int
	sent     int // SMS
	answers  map[uint64]Answer
	asked    uint64
	missing  map[DataKind]bool // programs
	uart     bool
	kept     []SMS
	badDisk  bool
	handed   int           // messages given to the store
	badStore bool          // the store refuses
	crashed  time.Duration // the daemon was killed then, beside a session that lived
}

// coming is an event that is on its way to the machine.
type coming struct {
	at  time.Duration
	e   Event
	do  func() // something of the world instead
	own bool   // of the machine's process: lost when it crashes
}

const hostBoot = 20 * time.Second

func newHost(rng *rand.Rand, d *toy, profiles Profiles, set Settings, device Device) *host {
	h := &host{toy: d, rng: rng, set: set, profiles: profiles, device: device, traffic: 20000}
	d.works = func() bool { return h.good && h.reaches() && h.abs-h.turned > 40*time.Second }
	h.start()
	return h
}

// now is boot time.
func (h *host) now() time.Time { return time.Unix(0, 0).UTC().Add(hostBoot + h.abs - h.power) }

// start starts the daemon with what is on disk.
func (h *host) start() {
	var mem Memory
	if h.disk != nil {
		if err := json.Unmarshal(h.disk, &mem); err != nil {
			panic(err)
		}
	}
	h.coming = slices.DeleteFunc(h.coming, func(c coming) bool { return c.own })
	h.open = map[string]bool{}
	h.m = NewMachine(h.set, h.profiles, mem, h.rng.Uint64(), h.now())
}

// crash kills the daemon: what it has not written is lost, data flows on.
func (h *host) crash() {
	h.note("crash")
	h.crashed = 0
	if h.good && h.reaches() && h.m.Status(h.now()).State == Connected {
		h.crashed = h.abs
	}
	h.loseSave()
	h.start()
}

// cut is a power cut of all.
func (h *host) cut() {
	h.note("power cut")
	h.loseSave()
	h.power = h.abs
	h.dataOn, h.lease, h.leaseAt, h.received = false, 0, 0, 0
	h.boot(2 * time.Second)
	h.cured(RungPower)
	h.start()
}

// loseSave has a write that is under way happen or not.
func (h *host) loseSave() {
	for _, c := range h.coming {
		if f, ok := c.e.(Finished); ok && c.do != nil && f.Err == nil && h.rng.IntN(2) == 0 {
			c.do()
		}
	}
}

func (h *host) note(format string, args ...any) {
	if !h.quiet {
		h.log = append(h.log, fmt.Sprintf("%9.1f %s", h.abs.Seconds(), fmt.Sprintf(format, args...)))
		if len(h.log) > 400 {
			h.log = h.log[200:]
		}
	}
}

func (h *host) later(d time.Duration, c coming) {
	c.at = h.abs + d
	h.coming = append(h.coming, c)
}

// level is what the machine is shown.
func (h *host) level() Level {
	l := Level{Enabled: true, Received: h.received, Path: h.path()}
	if h.present() && !h.uart {
		d := h.device
		l.Device = &d
	}
	if h.dataOn {
		l.Netdev = h.plan.Netdev
		if h.lease != 0 {
			l.Addr = netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 10, byte(h.lease)}), 24)
		}
	}
	return l
}

// reaches reports whether packets come back.
func (h *host) reaches() bool { return h.dataOn && h.lease != 0 && h.lease == h.addr && h.flows() }

// path is the prober's verdict, ten seconds late.
func (h *host) path() Path {
	switch {
	case !h.dataOn || h.lease == 0:
		return PathUnknown
	case h.good && !h.blocked:
		return PathAlive
	case h.abs-h.turned >= 10*time.Second:
		return PathDead
	}
	return PathUnknown
}

// turn lets the world act, up to now, and gives the machine one step.
func (h *host) turn() {
	wake := h.live()
	if !h.present() {
		h.lease, h.dataOn = 0, h.dataOn && h.plan.Kind != DataPPP
	}
	if good := h.reaches(); good != h.good {
		h.good, h.turned = good, h.abs
	}
	h.dhcp()
	events := h.due()
	for _, a := range h.m.Step(h.now(), h.level(), events) {
		h.carryOut(a)
	}
	_ = wake
}

// sleep advances the world to the next thing that happens, at most to end.
func (h *host) sleep(end time.Duration) {
	next := end
	sooner := func(t time.Duration) {
		if t > h.abs && t < next {
			next = t
		}
	}
	sooner(h.live())
	sooner(h.upAt)
	sooner(h.leaseAt)
	if !h.good {
		sooner(h.turned + 10*time.Second)
	}
	for _, c := range h.coming {
		sooner(max(c.at, h.abs+1))
	}
	if t := h.m.Next(); !t.IsZero() {
		sooner(max(h.abs+time.Millisecond, h.abs+t.Sub(h.now())))
	}
	if h.good {
		h.received += uint64((next - h.abs).Seconds() * float64(h.traffic))
		sooner(h.abs + 10*time.Second)
	}
	h.abs = next
}

// due takes the events whose time has come.
func (h *host) due() []Event {
	var events []Event
	var rest []coming
	for _, c := range h.coming {
		if c.at > h.abs {
			rest = append(rest, c)
			continue
		}
		if c.do != nil {
			c.do()
		}
		if c.e != nil {
			events = append(events, c.e)
		}
	}
	h.coming = rest
	return events
}

// dhcp gives a lease where the modem has an address.
func (h *host) dhcp() {
	if h.leaseAt == 0 || h.abs < h.leaseAt {
		return
	}
	h.leaseAt = 0
	if h.dataOn && h.present() {
		if h.addr != 0 && !h.noDHCP {
			h.lease = h.addr
			return
		}
		h.leaseAt = h.abs + 4*time.Second
	}
}

func (h *host) carryOut(a Action) {
	ms := func(lo, hi int) time.Duration { return time.Duration(lo+h.rng.IntN(hi-lo)) * time.Millisecond }
	switch a := a.(type) {
	case Send:
		dull := slices.Contains([]string{"+CEREG?", "+CGREG?", "+CREG?", "+CGPADDR=1", "+CBC", "+CCLK?", "+COPS?", "+CSQ", "+CESQ", `+QENG="servingcell"`, "+CCED=0,1", "+QTEMP"}, a.Command.Text)
		if !dull {
			h.note("> %s %s", a.Port, a.Command)
		}
		if !h.open[a.Port] || !h.present() {
			h.later(ms(1, 3), coming{e: Replied{a.ID, Reply{Err: ErrGone}}, own: true})
			return
		}
		if h.sentText == nil {
			h.sentText = map[string]int{}
		}
		h.sentText[a.Command.Text]++
		lines, delay, err := h.answer(a.Port, a.Command)
		if says, ok := h.says[a.Command.Text]; ok && err == nil {
			lines = says
		} else if ok && !silent(err) {
			lines, err = says, nil
		}
		if e := h.broken[a.Port]; e != nil {
			err, delay = e, 100*time.Millisecond
		}
		if a.Command.PDU != "" && err == nil {
			h.sent++
			lines = []string{"+CMGS: 7"}
		}
		if err != nil && (!dull || silent(err)) {
			h.note("< %s %v", a.Command, err)
		}
		h.later(delay, coming{e: Replied{a.ID, Reply{lines, err}}, own: true})
	case Open:
		e := PortChanged{Port: a.Port, Open: true}
		if !h.present() {
			e.Open, e.Err = false, ErrGone
		}
		h.open[a.Port] = e.Open
		h.later(ms(1, 10), coming{e: e, own: true})
	case Close:
		delete(h.open, a.Port)
	case Save:
		b, err := json.Marshal(a.Memory)
		if err != nil {
			panic(err)
		}
		if h.badDisk {
			h.later(ms(5, 60), coming{e: Finished{ID: a.ID, Err: ErrError}, own: true})
			return
		}
		h.later(ms(5, 60), coming{e: Finished{ID: a.ID}, own: true, do: func() { h.disk = b; h.saves = append(h.saves, h.abs) }})
	case StartData:
		h.plan = a.Plan
		if h.missing[a.Plan.Kind] {
			h.later(ms(5, 10), coming{e: DataChanged{Cause: DataMissing, Message: "no such program"}, own: true})
			return
		}
		h.later(ms(20, 200), coming{e: DataChanged{Up: true, Netdev: a.Plan.Netdev}, own: true})
		if a.Plan.Kind == DataPPP {
			h.dialled = true
		}
		if !h.dataOn {
			h.dataOn = true
			h.leaseAt = h.abs + ms(500, 1500)
		}
	case StopData:
		h.spoil("the data plane was stopped")
		h.dataOn, h.lease, h.leaseAt = false, 0, 0
		h.later(ms(20, 300), coming{e: DataChanged{Cause: DataAsked}, own: true})
	case Release:
		h.note("release %s", a.Why)
		h.spoil("the lease was given up")
		h.cured(RungRenew)
		h.lease, h.leaseAt = 0, h.abs+ms(500, 1500)
	case Pull:
		h.lever(a)
	case Answer:
		if h.answers == nil {
			h.answers = map[uint64]Answer{}
		}
		h.answers[a.ID] = a
	case Received:
		h.handed++
		err := error(nil)
		if h.badStore {
			err = ErrError
		} else if !slices.ContainsFunc(h.kept, func(s SMS) bool { return s.Key == a.SMS.Key }) {
			h.kept = append(h.kept, a.SMS)
		}
		h.later(ms(5, 50), coming{e: Finished{ID: a.ID, Err: err}, own: true})
	case Tell:
		h.note("tell %s: %s", a.Kind, a.Text)
	}
}

// spoil objects to what a daemon that has just started does to a session that lives.
func (h *host) spoil(what string) {
	if h.crashed != 0 && h.abs-h.crashed < 2*time.Minute && h.good && h.reaches() && !h.blocked {
		h.seen.problems = append(h.seen.problems, what+" after a crash, though it lived")
	}
}

func (h *host) lever(a Pull) {
	h.note("pull %s", a.Lever)
	h.pulls++
	for port, is := range h.open {
		if is {
			h.seen.problems = append(h.seen.problems, fmt.Sprintf("%s with %s open", a.Lever, port))
		}
	}
	switch a.Lever {
	case LeverRebind:
		h.seen.reset(h.toy, &h.seen.rebinds, "USB rebind")
		h.cured(RungRebind)
		h.boot(time.Second)
		h.radio = 1
	case LeverPower:
		h.seen.reset(h.toy, &h.seen.powers, "power cycle")
		h.cured(RungPower)
		h.boot(8*time.Second + time.Duration(h.rng.IntN(10))*time.Second)
	}
	h.later(time.Second, coming{e: Finished{ID: a.ID}, own: true})
}

// online reports whether the machine says so and it is true.
func (h *host) online() bool { return h.m.Status(h.now()).State == Connected && h.reaches() }

// until runs the world until cond, at most for d; it reports whether cond came.
func (h *host) until(d time.Duration, cond func() bool) bool {
	end := h.abs + d
	for {
		h.turn()
		if cond() {
			return true
		}
		if h.abs >= end {
			return false
		}
		if h.chaos > 0 && h.abs >= h.doom {
			h.doom = h.abs + time.Duration(h.rng.Int64N(int64(2*h.chaos)))
			if h.abs > 0 {
				h.crash()
			}
		}
		h.sleep(end)
	}
}

// count is how often a command was sent.
func (h *host) count(text string) int { return h.sentText[text] }

func (h *host) run(d time.Duration) { h.until(d, func() bool { return false }) }
