package modem

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// toy is a modem, its card and its network, as far as the machine can see
// them. It is written after TS 27.007 and the profiles' pages, not after the
// machine: it shares no code with it but the words of the package.
type toy struct {
	rng  *rand.Rand
	abs  time.Duration // time of the world; nobody else knows it
	self bool          // dials by itself (Air780), else +QNETDEVCTL (Quectel) or ATD

	powered, plugged bool
	upAt             time.Duration // firmware runs from then on
	radio            int
	dialled          bool
	card             toyCard
	apn, given       string // of the context; what the network gives where it is empty
	writes           int    // of the context

	// the network
	signal     bool
	denied     int // cause, 0 none
	refuses    error
	attachedAt time.Duration // 0: not
	searching  bool
	addr       int // host part of the address, 0 none
	changes    int

	// faults that a rung cures: the least one, or stronger
	mute     map[string]bool // port answers nothing
	muteAll  Rung            // no port answers until this rung; -1 none
	deadData Rung            // data does not flow until this rung; -1 none
	lame     Rung            // finds no network until this rung; -1 none
	slow     time.Duration   // answers come so late

	refuse    map[string]bool
	store     map[int]string // SMS on the card
	works     func() bool    // bytes have arrived for a while
	lockedOut bool           // no PIN of ours will open the card
	seen      toySeen
}

// toyCard is a SIM card.
type toyCard struct {
	in, locked, open bool
	iccid, pin       string
	tries            int
	readable         bool // the counter can be read
	openAt           time.Duration
}

// toySeen is what the oracle counts.
type toySeen struct {
	commands  []time.Duration
	radio     []time.Duration // CFUN off
	soft      []time.Duration
	rebinds   []time.Duration
	powers    []time.Duration
	wrongPINs map[string]int
	rightPINs int
	problems  []string
	found     bool // a network since the last power cycle
}

// reset counts a reset, and objects to one that interrupts what works or that
// comes while the card waits for a person.
func (s *toySeen) reset(d *toy, list *[]time.Duration, what string) {
	if n := len(*list); n > 0 && what == "power cycle" && !s.found && d.abs-(*list)[n-1] < time.Hour-2*time.Second {
		s.problems = append(s.problems, "two power cycles within an hour without a network in between")
	}
	*list = append(*list, d.abs)
	switch {
	case d.works != nil && d.works():
		s.problems = append(s.problems, what+" while bytes arrive")
	case d.lockedOut && d.card.in && d.card.locked && !d.card.open:
		s.problems = append(s.problems, what+" while the card is locked")
	}
	s.found = s.found && what != "power cycle"
}

func newToy(rng *rand.Rand) *toy {
	return &toy{rng: rng, powered: true, plugged: true, radio: 1, signal: true, mute: map[string]bool{}, muteAll: -1, deadData: -1, lame: -1,
		card: toyCard{in: true, iccid: "89860012345678901234", readable: true, tries: 3}, seen: toySeen{wrongPINs: map[string]int{}}}
}

func (d *toy) present() bool { return d.powered && d.plugged && d.abs >= d.upAt }

// boot starts the firmware anew.
func (d *toy) boot(wait time.Duration) {
	d.upAt = d.abs + wait
	d.radio, d.dialled, d.attachedAt, d.addr, d.searching = 1, false, 0, 0, false
	d.card.open = false
	d.mute = map[string]bool{}
}

// cured clears the faults that a rung cures.
func (d *toy) cured(r Rung) {
	for _, f := range []*Rung{&d.muteAll, &d.deadData, &d.lame} {
		if *f >= 0 && *f <= r {
			*f = -1
		}
	}
}

// live lets the network act; next is when it acts again, 0 for never.
func (d *toy) live() (next time.Duration) {
	ready := d.present() && d.radio == 1 && d.card.in && (!d.card.locked || d.card.open) && d.signal && d.denied == 0 && d.lame < 0
	switch {
	case !ready:
		d.attachedAt, d.addr, d.searching = 0, 0, false
	case d.attachedAt == 0:
		d.attachedAt = d.abs + time.Second + time.Duration(d.rng.IntN(8))*time.Second
	}
	if d.registered() && d.addr == 0 && d.refuses == nil && (d.self || d.dialled) {
		d.changes++
		d.addr = 2 + d.changes%200
	}
	if d.refuses != nil {
		d.addr = 0
	}
	d.seen.found = d.seen.found || d.registered()
	if d.attachedAt > d.abs {
		return d.attachedAt
	}
	return 0
}

func (d *toy) registered() bool { return d.attachedAt != 0 && d.abs >= d.attachedAt }

// flows reports whether data flows behind the modem.
func (d *toy) flows() bool { return d.present() && d.addr != 0 && d.deadData < 0 }

// answer is what the modem says to a command.
func (d *toy) answer(port string, c Command) (lines []string, delay time.Duration, err error) {
	d.seen.commands = append(d.seen.commands, d.abs)
	delay = 2*time.Millisecond + time.Duration(d.rng.IntN(20))*time.Millisecond + d.slow
	if d.mute[port] || d.muteAll >= 0 {
		return nil, c.Timeout, ErrTimeout
	}
	if delay > c.Timeout {
		return nil, c.Timeout, ErrTimeout
	}
	lines, err = d.reply(c.Text)
	return lines, delay, err
}

func (d *toy) reply(text string) ([]string, error) {
	if strings.HasPrefix(text, "+CPIN=") {
		return nil, d.enter(strings.Trim(text[6:], `"`))
	}
	if rest, ok := strings.CutPrefix(text, `+CGDCONT=1,"IP","`); ok {
		d.apn = strings.TrimSuffix(rest, `"`)
		d.writes++
		return nil, nil
	}
	if d.refuse[text] {
		return nil, ErrError
	}
	if rest, ok := strings.CutPrefix(text, "+CMGD="); ok {
		slot, err := strconv.Atoi(rest)
		if err != nil {
			return nil, ErrError
		}
		delete(d.store, slot)
		return nil, nil
	}
	switch text {
	case "+CGSN":
		return []string{"866000000000001"}, nil
	case "+CGMI":
		return []string{"Toy"}, nil
	case "+CGMM":
		return []string{"T1"}, nil
	case "+CPIN?":
		return d.cpin()
	case "+ICCID", "+CCID", "+QCCID":
		if !d.card.in {
			return nil, CMEError{Code: 10}
		}
		return []string{text + ": " + d.card.iccid}, nil
	case `+CSIM=10,"0020000100"`:
		if !d.card.readable || !d.card.in {
			return nil, ErrError
		}
		return []string{fmt.Sprintf(`+CSIM: 4,"63C%X"`, d.card.tries)}, nil
	case "+CPINR", "+QPINC=\"SC\"", "+QPINC?", "+QPINC":
		return nil, ErrError
	case "+CIMI":
		if _, err := d.cpin(); err != nil || d.card.locked && !d.card.open {
			return nil, CMEError{Code: 14}
		}
		return []string{"460001234567890"}, nil
	case "+CFUN?":
		return []string{fmt.Sprintf("+CFUN: %d", d.radio)}, nil
	case "+CFUN=1":
		if d.radio != 1 {
			d.card.open = false
			d.attachedAt = 0
		}
		d.radio = 1
		return nil, nil
	case "+CFUN=4", "+CFUN=0":
		d.seen.reset(d, &d.seen.radio, "radio cycle")
		d.radio, d.attachedAt, d.addr, d.dialled = 4, 0, 0, false
		d.cured(RungRadio)
		return nil, nil
	case "+CFUN=1,1", "+RESET", "+CFUN=15":
		d.seen.reset(d, &d.seen.soft, "soft reset")
		d.cured(RungSoftReset)
		d.boot(3*time.Second + time.Duration(d.rng.IntN(20))*time.Second)
		return nil, nil
	case "+CGATT=0", "+COPS=2":
		d.attachedAt, d.addr = 0, 0
		d.cured(RungReattach)
		return nil, nil
	case "+CEREG?", "+CGREG?", "+CREG?":
		return []string{text[:len(text)-1] + ": 2," + d.reg()}, nil
	case "+COPS?":
		return []string{`+COPS: 0,2,"46000",7`}, nil
	case "+CGDCONT?":
		return []string{fmt.Sprintf(`+CGDCONT: 1,"IP","%s"`, d.apn)}, nil
	case "+CGCONTRDP":
		if d.given == "" || !d.registered() {
			return nil, ErrError
		}
		return []string{fmt.Sprintf(`+CGCONTRDP: 1,5,"%s.mnc000.mcc460.gprs","","","",""`, d.given)}, nil
	case "+CGPADDR=1":
		if d.addr == 0 {
			return []string{`+CGPADDR: 1,"0.0.0.0"`}, nil
		}
		return []string{fmt.Sprintf(`+CGPADDR: 1,"10.0.0.%d"`, d.addr)}, nil
	case "+QNETDEVCTL=1,1,1":
		if d.refuses != nil {
			return nil, d.refuses
		}
		if d.dialled && d.addr != 0 {
			d.seen.problems = append(d.seen.problems, "dialled beside a call that lives")
		}
		d.dialled = true
		return nil, nil
	case "+QNETDEVCTL=0,1,0":
		d.dialled, d.addr = false, 0
		d.cured(RungRedial)
		return nil, nil
	case "+QNETDEVCTL?":
		return []string{fmt.Sprintf("+QNETDEVCTL: 1,1,1,%d", map[bool]int{true: 1}[d.addr != 0])}, nil
	case "+RNDISCALL?":
		return []string{fmt.Sprintf("+RNDISCALL: %d", map[bool]int{true: 1}[d.addr != 0])}, nil
	case "+CSQ":
		return []string{"+CSQ: 20,99"}, nil
	case "+CESQ":
		return []string{"+CESQ: 99,99,255,255,20,50"}, nil
	case "+CMGL=4":
		var list []string
		for slot := range 11 {
			if pdu := d.store[slot]; pdu != "" {
				list = append(list, fmt.Sprintf("+CMGL: %d,0,,%d", slot, len(pdu)/2-8), pdu)
			}
		}
		return list, nil
	case "+CBC", "+CCLK?":
		return nil, ErrError
	}
	return nil, nil
}

func (d *toy) reg() string {
	switch {
	case d.registered():
		return "1,\"1A2B\",\"01C2D3E4\",7"
	case d.denied != 0:
		return fmt.Sprintf("3,,,,0,%d", d.denied)
	}
	return "2"
}

func (d *toy) cpin() ([]string, error) {
	switch {
	case !d.card.in:
		return nil, CMEError{Code: 10}
	case d.card.locked && d.card.tries == 0:
		return []string{"+CPIN: SIM PUK"}, nil
	case d.card.locked && !d.card.open:
		return []string{"+CPIN: SIM PIN"}, nil
	}
	return []string{"+CPIN: READY"}, nil
}

// enter is +CPIN=.
func (d *toy) enter(pin string) error {
	c := &d.card
	switch {
	case !c.in:
		return CMEError{Code: 10}
	case !c.locked || c.open:
		return CMEError{Code: 3}
	case c.tries == 0:
		return CMEError{Code: 12}
	case pin == c.pin:
		d.seen.rightPINs++
		c.open, c.tries, c.openAt = true, 3, d.abs
		return nil
	}
	d.seen.wrongPINs[c.iccid+"/"+pin]++
	c.tries--
	return CMEError{Code: 16}
}
