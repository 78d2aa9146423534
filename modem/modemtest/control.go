package modemtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verbs are the control lines: what a person, a script or a job in a VM may do
// with a modem that runs elsewhere.
var verbs = map[string]struct {
	usage string
	do    func(*Modem, []string) (string, error)
}{
	"fault":      {"fault NAME [ARG…]", func(m *Modem, a []string) (string, error) { return "", m.Fault(a[0], a[1:]...) }},
	"clear":      {"clear [NAME]", func(m *Modem, a []string) (string, error) { m.Clear(strings.Join(a, "")); return "", nil }},
	"faults":     {"faults", func(m *Modem, _ []string) (string, error) { return m.faultTable(), nil }},
	"active":     {"active", func(m *Modem, _ []string) (string, error) { return strings.Join(m.Active(), "\n"), nil }},
	"power":      {"power on|off", func(m *Modem, a []string) (string, error) { return "", onOff(a[0], m.Power) }},
	"unplug":     {"unplug", func(m *Modem, _ []string) (string, error) { m.Unplug(); return "", nil }},
	"plug":       {"plug [AFTER]", plugVerb},
	"deactivate": {"deactivate [quiet]", func(m *Modem, a []string) (string, error) { m.Deactivate(len(a) > 0); return "", nil }},
	"address":    {"address [tell]", func(m *Modem, a []string) (string, error) { m.ChangeAddress(len(a) > 0); return "", nil }},
	"bind": {"bind on|off", func(m *Modem, a []string) (string, error) {
		var err error
		return "", errors.Join(onOff(a[0], func(on bool) { err = m.Bind(on) }), err)
	}},
	"sms":      {"sms FROM TEXT…", func(m *Modem, a []string) (string, error) { m.Receive(a[0], strings.Join(a[1:], " ")); return "", nil }},
	"sent":     {"sent", func(m *Modem, _ []string) (string, error) { return strings.Join(m.Sent(), "\n"), nil }},
	"ussd":     {"ussd CODE [ANSWER…]", func(m *Modem, a []string) (string, error) { m.SetUSSD(a[0], strings.Join(a[1:], " ")); return "", nil }},
	"radio":    {"radio [csq=N] [rsrp=N] [rsrq=N] [sinr=N] [rssi=N]", radioVerb},
	"insert":   {"insert ICCID IMSI [PIN PUK]", insertVerb},
	"state":    {"state", func(m *Modem, _ []string) (string, error) { return m.stateText() }},
	"counters": {"counters", func(m *Modem, _ []string) (string, error) { return jsonText(m.Counters()) }},
	"log":      {"log [PREFIX]", logVerb},
	"new-id":   {"new-id", func(m *Modem, _ []string) (string, error) { m.NewID(); return "", nil }},
}

// Control carries out one control line ("fault mute until=reset") and returns
// its answer. "help" lists them.
func (m *Modem) Control(line string) (string, error) {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] == "help" {
		var out []string
		for _, name := range slices.Sorted(maps.Keys(verbs)) {
			out = append(out, verbs[name].usage)
		}
		return strings.Join(out, "\n"), nil
	}
	v, ok := verbs[words[0]]
	if !ok {
		return "", fmt.Errorf("no such word %q: try help", words[0])
	}
	need := 0
	for _, word := range strings.Fields(v.usage)[1:] {
		if !strings.HasPrefix(word, "[") {
			need++
		} else {
			break
		}
	}
	if len(words)-1 < need {
		return "", fmt.Errorf("usage: %s", v.usage)
	}
	return v.do(m, words[1:])
}

// ServeControl answers control lines on a listener until ctx ends. An answer
// is its lines, each with a blank in front, then "ok" or "error …".
func (m *Modem) ServeControl(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		go m.controlConn(ctx, conn)
	}
}

func (m *Modem) controlConn(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	in := bufio.NewScanner(conn)
	for in.Scan() {
		answer, err := m.Control(in.Text())
		var b strings.Builder
		if answer != "" {
			for line := range strings.SplitSeq(answer, "\n") {
				b.WriteString(" " + line + "\n")
			}
		}
		if err != nil {
			fmt.Fprintf(&b, "error %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			b.WriteString("ok\n")
		}
		if _, err := conn.Write([]byte(b.String())); err != nil {
			return
		}
	}
}

// Ask sends one control line to a modem that is served elsewhere.
func Ask(ctx context.Context, socket, line string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("modem control: %w", err)
	}
	defer conn.Close()
	if d, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(d)
	}
	if _, err := conn.Write([]byte(line + "\n")); err != nil {
		return "", fmt.Errorf("modem control: %w", err)
	}
	var lines []string
	in := bufio.NewScanner(conn)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		switch text := in.Text(); {
		case text == "ok":
			return strings.Join(lines, "\n"), nil
		case strings.HasPrefix(text, "error "):
			return "", errors.New(strings.TrimPrefix(text, "error "))
		default:
			lines = append(lines, strings.TrimPrefix(text, " "))
		}
	}
	return "", errors.Join(errors.New("modem control: no answer"), in.Err())
}

func onOff(word string, f func(bool)) error {
	if word != "on" && word != "off" {
		return fmt.Errorf("%q is neither on nor off", word)
	}
	f(word == "on")
	return nil
}

func plugVerb(m *Modem, a []string) (string, error) {
	d := time.Duration(0)
	if len(a) > 0 {
		var err error
		if d, err = time.ParseDuration(a[0]); err != nil {
			return "", err
		}
	}
	m.Plug(d)
	return "", nil
}

func radioVerb(m *Modem, a []string) (string, error) {
	m.lock()
	defer m.unlock()
	r := m.net.radio
	fields := map[string]*int{"csq": &r.CSQ, "rsrp": &r.RSRPdBm, "rsrq": &r.RSRQdB, "sinr": &r.SINRdB, "rssi": &r.RSSIdBm}
	for _, arg := range a {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		if err != nil || fields[key] == nil {
			return "", fmt.Errorf("not a value of the radio: %q", arg)
		}
		*fields[key] = n
	}
	m.net.radio = r
	return "", nil
}

func insertVerb(m *Modem, a []string) (string, error) {
	card := SIM{ICCID: a[0], IMSI: a[1]}
	if len(a) == 4 {
		card = card.Lock(a[2], a[3])
	}
	m.Insert(card)
	return "", nil
}

func logVerb(m *Modem, a []string) (string, error) {
	var out []string
	for _, e := range m.Log() {
		if len(a) == 0 || strings.HasPrefix(e.Text, a[0]) {
			out = append(out, fmt.Sprintf("%s %d %s", e.At.UTC().Format("15:04:05.000"), e.Port, e.Text))
		}
	}
	return strings.Join(out, "\n"), nil
}

// faultTable is a line a fault: name, whether it applies, what it does.
func (m *Modem) faultTable() string {
	var out []string
	for _, f := range Faults() {
		line := fmt.Sprintf("%-20s %s", f.Name, f.Doc)
		if f.Refuses != nil {
			if why := f.Refuses(m.pers); why != "" {
				line = fmt.Sprintf("%-20s (not here: %s)", f.Name, why)
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// stateText is the modem as JSON on one line.
func (m *Modem) stateText() (string, error) {
	m.lock()
	s := struct {
		Personality, Mode, IMEI, SIM string
		Power, Running               bool
		Registration, PINTries       int
		Data                         DataState
		Faults                       []string
	}{m.pers.ID, m.comp, m.imei, m.cpinLocked(), m.power, m.running, m.net.stat, m.sim.card.PINTries, m.dataStateLocked(), slices.Sorted(maps.Keys(m.faults))}
	m.unlock()
	return jsonText(s)
}

func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
