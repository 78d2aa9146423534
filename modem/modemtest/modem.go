package modemtest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Options are what surrounds a modem. Every field may be zero.
type Options struct {
	Clock Clock
	Pace  Pace
	Seed  uint64 // of garbage, log streams and addresses
	IMEI  string // 15 digits; "" takes the personality's
	SIM   *SIM   // nil is a card without PIN; an empty slot is the fault "no-sim"
	Path  string // of the USB device below /sys/devices; "" is port 1-2
	TTY   int    // number of its first tty
	Net   string // name of its netdev; "" is usb0 or wwan0
	Mode  string // composition to start with ("ecm", "rndis", …), "" the personality's first

	Vanished func()          // the device has left the bus; every Serve has been told to end
	Returned func()          // it is back: Device says as what. Not called for the first time
	Data     func(DataState) // the data plane has changed since New or the last call
	PPP      func(PPPCall)   // a port carries PPP until it returns; nil is the built-in peer
}

// Modem is an emulated module.
type Modem struct {
	pers Personality
	opt  Options
	clk  Clock
	pace Pace

	mu      sync.Mutex // guards all below
	rng     *rand.Rand
	lines   map[int]*line // by interface number; settings outlive a Serve
	imei    string
	comp    string // composition in force
	next    string // composition after the next reset
	ttyBase int    // number of its first tty

	power   bool
	running bool // booted and on the bus
	boots   uint64
	fun     int // +CFUN
	sim     simState
	net     netState
	pdp     map[int]*context3
	bound   bool // the netdev is tied to its context by command or by itself
	vendor  map[string]string
	sms     smsState
	ussd    map[string]string
	csca    string
	charset string

	faults  map[string]*active
	changed chan struct{} // closed and replaced whenever faults change
	log     []Entry
	count   Counters
	shown   DataState

	pending  []func() // callbacks that wait for the lock to be free
	draining bool
}

// New is a module of that personality, powered, booted and searching.
func New(p Personality, o Options) *Modem {
	m := &Modem{
		pers: p, opt: o, clk: o.Clock.withDefaults(), pace: o.Pace.withDefaults(),
		rng:     rand.New(rand.NewPCG(o.Seed, 0x6d6f64656d)), // reproducible: it is a test
		lines:   map[int]*line{},
		imei:    o.IMEI,
		comp:    o.Mode,
		vendor:  map[string]string{},
		ussd:    map[string]string{"*100#": "Balance: 12.50"},
		csca:    "+8613800100500",
		faults:  map[string]*active{},
		changed: make(chan struct{}),
		power:   true,
	}
	if m.imei == "" {
		m.imei = p.IMEI
	}
	if _, ok := p.composition(m.comp); !ok && len(p.Compositions) > 0 {
		m.comp = p.Compositions[0].Mode
	}
	m.next = m.comp
	if p.Dial == DialSelf {
		m.vendor["autodial"] = "1"
	}
	m.ttyBase = o.TTY
	m.sms.init(p.Slots)
	m.net.init(p)
	card := SIM{ICCID: "89860000000000000017", IMSI: "460000000000017"}
	if o.SIM != nil {
		card = *o.SIM
	}
	m.sim.card = card.withDefaults()
	m.lock()
	m.bootLocked()
	m.shown, m.pending = m.dataStateLocked(), nil // nobody is told before New has returned
	m.unlock()
	return m
}

// Personality is what the module was made as.
func (m *Modem) Personality() Personality { return m.pers }

// lock takes the mutex; unlock gives it back and runs the callbacks that have
// gathered, in order, by one goroutine at a time.
func (m *Modem) lock() { m.mu.Lock() }

func (m *Modem) unlock() {
	if m.draining {
		m.mu.Unlock()
		return
	}
	m.draining = true
	for len(m.pending) > 0 {
		f := m.pending[0]
		m.pending = m.pending[1:]
		m.mu.Unlock()
		f()
		m.mu.Lock()
	}
	m.draining = false
	m.mu.Unlock()
}

// afterLocked runs f with the lock held after d, unless the module has booted
// anew by then.
func (m *Modem) afterLocked(d time.Duration, f func()) {
	boot := m.boots
	m.alwaysAfter(d, func() {
		if m.boots == boot {
			f()
		}
	})
}

// alwaysAfter runs f with the lock held after d, whatever has happened.
func (m *Modem) alwaysAfter(d time.Duration, f func()) {
	m.clk.AfterFunc(d, func() {
		m.lock()
		defer m.unlock()
		f()
	})
}

// line is what a port's settings are; they outlive a Serve and end with a boot.
type line struct {
	m       *Modem
	spec    Port
	conn    *conn // nil while nobody is served
	echo    bool
	numeric bool // ATV0
	quiet   bool // ATQ1
	cmee    int
	reg     map[string]int // URC level of "+CREG", "+CGREG", "+CEREG"
	cgerep  int
	cnmi    [2]int // mode, mt
	textSMS bool   // +CMGF=1
	ctzu    int
	last    string // for A/
}

// lineLocked is the port on that interface, nil if the composition has none.
func (m *Modem) lineLocked(iface int) *line {
	if l, ok := m.lines[iface]; ok {
		return l
	}
	c, _ := m.pers.composition(m.comp)
	for _, spec := range c.Ports {
		if spec.Interface == iface {
			l := &line{m: m, spec: spec}
			l.defaults()
			m.lines[iface] = l
			return l
		}
	}
	return nil
}

// defaults are the settings of a port after a boot.
func (l *line) defaults() {
	l.echo, l.numeric, l.quiet = !l.m.onLocked("echo-off", l), l.m.onLocked("numeric", l), false
	l.cmee, l.cgerep, l.cnmi, l.textSMS, l.ctzu = 0, 0, [2]int{2, 1}, l.m.pers.TextSMS, 0
	l.reg = map[string]int{}
}

// eachLineLocked calls f for every port that is being served, lowest first.
func (m *Modem) eachLineLocked(f func(*line)) {
	c, _ := m.pers.composition(m.comp)
	for _, spec := range c.Ports {
		if l := m.lines[spec.Interface]; l != nil && l.conn != nil {
			f(l)
		}
	}
}

// urcLocked sends an unsolicited result code to the ports that carry them.
func (m *Modem) urcLocked(text string, want func(*line) bool) {
	if !m.running {
		return
	}
	m.eachLineLocked(func(l *line) {
		if l.spec.Kind == KindAT && !l.spec.Silent && (want == nil || want(l)) {
			l.conn.urcLocked(text)
		}
	})
}

func (m *Modem) urcfLocked(want func(*line) bool, format string, a ...any) {
	m.urcLocked(fmt.Sprintf(format, a...), want)
}
