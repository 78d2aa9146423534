package modemtest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// call is one command being carried out. Handlers run with the lock held.
type call struct {
	m    *Modem
	c    *conn
	l    *line
	name string // "+CSQ", "E", upper case
	op   string // "" execute, "?" read, "=?" test, "=" set
	arg  string // behind '='
	args []string
}

// result is what a handler wants answered.
type result struct {
	lines  []string
	err    string // "" is OK; else the whole final line
	delay  time.Duration
	then   func() result // with the lock, after delay: replaces the answer
	after  func()        // with the lock, once the answer is on its way
	late   []string      // lines after OK
	prompt func(pdu []byte, ok bool) result
	dial   *dialled // the port carries data
	silent bool     // no answer at all
}

type handler func(*call) result

func ok(lines ...string) result { return result{lines: lines} }

func okf(format string, a ...any) result { return ok(fmt.Sprintf(format, a...)) }

func (r result) wait(d time.Duration) result { r.delay = d; return r }

// parse takes a command apart.
func parse(m *Modem, c *conn, text string) *call {
	k := &call{m: m, c: c, l: c.l}
	end := strings.IndexAny(text, "=?")
	switch {
	case text == "":
	case strings.ContainsRune("+^*#$%!", rune(text[0])) || text[0]&^0x20 == 'S' && end > 0:
		if end < 0 {
			k.name = strings.ToUpper(text)
			break
		}
		k.name = strings.ToUpper(strings.TrimSpace(text[:end]))
		switch rest := text[end:]; {
		case rest == "?", rest == "=?":
			k.op = rest
		case rest[0] == '=':
			k.op, k.arg = "=", rest[1:]
		}
	default:
		n := 1
		if text[0] == '&' || text[0] == '\\' {
			n = min(2, len(text))
		}
		k.name, k.arg = strings.ToUpper(text[:n]), text[n:]
	}
	k.args = fields(k.arg)
	return k
}

// fields splits at commas outside quotes and takes the quotes off.
func fields(s string) []string {
	if s == "" {
		return nil
	}
	var out []string
	quoted, start := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, unquote(s[start:i]))
			start = i + 1
		}
	}
	return append(out, unquote(s[start:]))
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// str is argument i, "" without one.
func (k *call) str(i int) string {
	if i < len(k.args) {
		return k.args[i]
	}
	return ""
}

// num is argument i as a number, def without one.
func (k *call) num(i, def int) int {
	if n, err := strconv.Atoi(k.str(i)); err == nil {
		return n
	}
	return def
}

// cme is an error of TS 27.007 §9.2, in the form the port has asked for.
func (k *call) cme(code int) result {
	words := k.m.pers.TextErrors || k.m.onLocked("text-errors", k.l)
	switch {
	case words || k.l.cmee == 2:
		return result{err: "+CME ERROR: " + cmeText[code]}
	case k.l.cmee == 1:
		return result{err: "+CME ERROR: " + strconv.Itoa(code)}
	}
	return result{err: "ERROR"}
}

// cms is an error of TS 27.005 §3.2.5.
func (k *call) cms(code int) result {
	if k.m.pers.TextErrors || k.m.onLocked("text-errors", k.l) || k.l.cmee == 2 {
		return result{err: "+CMS ERROR: " + cmsText[code]}
	}
	return result{err: "+CMS ERROR: " + strconv.Itoa(code)}
}

func bad() result { return result{err: "ERROR"} }

// unknown answers a command that the module does not have.
func (k *call) unknown() result {
	if k.m.onLocked("command-not-support", k.l) {
		return result{err: "COMMAND NOT SUPPORT"}
	}
	if k.m.pers.TextErrors {
		return k.cme(4)
	}
	return bad()
}

// run carries out the commands of one line and answers them; false ends the port.
func (c *conn) run(ctx context.Context, texts []string) bool {
	var all result
	c.m.lock()
	c.busy = true
	c.m.unlock()
	defer func() {
		c.m.lock()
		c.busy = false
		c.m.unlock()
	}()
	for _, text := range texts {
		r, ok := c.one(ctx, text)
		if !ok {
			return false
		}
		all = all.plus(r)
		if r.err != "" || r.dial != nil || r.silent {
			break
		}
	}
	return c.answer(ctx, all)
}

func (r result) plus(s result) result {
	s.lines = append(r.lines, s.lines...)
	s.late = append(r.late, s.late...)
	if before, after := r.after, s.after; before != nil && after != nil {
		s.after = func() { before(); after() }
	} else if before != nil {
		s.after = before
	}
	return s
}

// one carries out one command, up to its answer.
func (c *conn) one(ctx context.Context, text string) (result, bool) {
	c.m.lock()
	k := parse(c.m, c, text)
	c.m.count.Commands++
	r := k.do()
	boot := c.m.boots
	c.m.unlock()
	if r.prompt != nil {
		pdu, ended, alive := c.askPDU(ctx)
		if !alive {
			return r, false
		}
		c.m.lock()
		if ended {
			c.m.noteLocked(c.l.spec.Interface, string(pdu))
		}
		r = r.prompt(pdu, ended)
		c.m.unlock()
	}
	for r.delay > 0 || r.then != nil {
		d, then := r.delay, r.then
		r.delay, r.then = 0, nil
		if !c.m.clk.sleep(ctx, c.done, d) && d > 0 {
			return r, false
		}
		c.m.lock()
		if c.m.boots != boot {
			r = result{silent: true}
		} else if then != nil {
			r = then()
		}
		c.m.unlock()
	}
	return r, true
}

// answer writes lines and final result, and goes over to data where there is any.
func (c *conn) answer(ctx context.Context, r result) bool {
	c.m.lock()
	if r.silent || !c.hearsLocked() {
		if r.after != nil {
			r.after()
		}
		c.m.unlock()
		return true
	}
	final := r.err
	if final == "" {
		final = "OK"
	}
	if r.dial != nil {
		final = r.dial.connect
		c.data, c.cid = true, r.dial.cid
		c.in.resume()
	}
	if d := c.m.delayLocked(c.l); d > 0 {
		c.m.unlock()
		if !c.m.clk.sleep(ctx, c.done, d) {
			return false
		}
		c.m.lock()
	}
	c.out.add(c.frameLocked(r.lines, final))
	for _, line := range append(r.late, c.m.lateLocked(c.l)...) {
		c.out.add(c.textLocked(line))
	}
	if r.after != nil {
		r.after()
	}
	c.m.unlock()
	if r.dial != nil {
		return c.carry(ctx, r.dial)
	}
	return true
}

// askPDU prompts and reads up to Ctrl-Z (ended) or ESC.
func (c *conn) askPDU(ctx context.Context) (pdu []byte, ended, alive bool) {
	c.m.lock()
	c.prompt = true
	c.out.add(c.promptLocked())
	if c.m.onLocked("double-prompt", c.l) {
		c.out.add(c.promptLocked())
	}
	if c.m.onLocked("urc-in-prompt", c.l) {
		c.out.add(c.textLocked(c.m.sampleURCLocked()))
	}
	c.m.unlock()
	defer func() {
		c.m.lock()
		c.prompt = false
		c.m.unlock()
	}()
	for {
		b, ok := c.in.take()
		if !ok {
			return nil, false, false
		}
		if i := bytes.IndexAny(b, string([]byte{ctrlZ, esc})); i >= 0 {
			c.in.unread(b[i+1:])
			pdu = append(pdu, b[:i]...)
			c.echoAll(b[:i])
			return bytes.TrimSpace(pdu), b[i] == ctrlZ, true
		}
		c.echoAll(b)
		if len(pdu) < 4096 {
			pdu = append(pdu, b...)
		}
	}
}

func (c *conn) echoAll(b []byte) {
	for _, ch := range b {
		c.echo(ch)
	}
}
