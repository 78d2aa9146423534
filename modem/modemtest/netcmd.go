package modemtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var netCommands = map[string]handler{
	"+CREG":  registration("+CREG"),
	"+CGREG": registration("+CGREG"),
	"+CEREG": registration("+CEREG"),
	"+COPS":  cops,
	"+CSQ":   csq,
	"+CESQ":  cesq,
	"+CFUN":  cfun,
	"+CGATT": cgatt,
	"+CEER":  ceer,
	"+CCLK":  cclk,
	"+CTZU":  func(k *call) result { k.l.ctzu = k.num(0, k.l.ctzu); return ok() },
	"+CTZR":  func(k *call) result { k.l.ctzu = k.num(0, k.l.ctzu); return ok() },
	"+CBC":   func(k *call) result { return okf("+CBC: 0,80,%d", k.m.net.supplymV) },
	"+CPAS":  func(*call) result { return ok("+CPAS: 0") },
}

func registration(name string) handler {
	return func(k *call) result {
		switch k.op {
		case "=":
			level := k.num(0, 0)
			if level < 0 || level > 3 || name == "+CREG" && level > 2 {
				return k.cme(50)
			}
			k.l.reg[name] = level
			return ok()
		case "=?":
			return ok(name + ": (0-3)")
		}
		level := k.l.reg[name]
		return okf("%s: %d,%s", k.m.prefixLocked(name, k.l), level, k.m.registrationLocked(name, level))
	}
}

func cops(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		if !m.registeredLocked() {
			return okf("+COPS: %d", k.copsMode())
		}
		o := m.operatorLocked()
		return okf(`+COPS: %d,%d,"%s",7`, k.copsMode(), m.net.format, [3]string{o.Name, o.Short, o.PLMN}[m.net.format])
	case "=?":
		return k.scan()
	}
	switch k.num(0, 0) {
	case 0:
		m.net.manual, m.net.detached = "", false
	case 1, 4:
		m.net.manual, m.net.detached = k.str(2), false
	case 2:
		m.net.detached = true
		m.count.Reselections++
		m.cureLocked("attach", nil)
	case 3:
		m.net.format = min(max(k.num(1, 2), 0), 2)
		return ok()
	default:
		return k.cme(50)
	}
	m.moveLocked()
	if k.num(0, 0) == 2 {
		return ok().wait(300 * time.Millisecond)
	}
	return result{delay: m.pace.Register + 50*time.Millisecond, then: func() result {
		if k.num(0, 0) == 1 && !m.registeredLocked() {
			return k.cme(30)
		}
		return ok()
	}}
}

func (k *call) copsMode() int {
	switch {
	case k.m.net.detached:
		return 2
	case k.m.net.manual != "":
		return 1
	}
	return 0
}

func (k *call) scan() result {
	k.m.count.Scans++
	return result{delay: k.m.pace.Scan, then: func() result {
		var list []string
		for i, o := range k.m.net.operators {
			stat := 1
			switch {
			case o.Forbidden:
				stat = 3
			case k.m.registeredLocked() && o == k.m.operatorLocked():
				stat = 2
			case i > 0:
				stat = 1
			}
			list = append(list, fmt.Sprintf(`(%d,"%s","%s","%s",7)`, stat, o.Name, o.Short, o.PLMN))
		}
		return ok("+COPS: " + strings.Join(list, ",") + ",,(0,1,2,3,4),(0,1,2)")
	}}
}

// heardLocked says whether the receiver has anything to measure.
func (m *Modem) heardLocked() bool {
	return m.fun == 1 && m.running && !m.onLocked("csq-99", nil) && !m.onLocked("searching", nil)
}

func csq(k *call) result {
	if !k.m.heardLocked() {
		return ok("+CSQ: 99,99")
	}
	return okf("+CSQ: %d,99", k.m.net.radio.CSQ)
}

func cesq(k *call) result {
	if !k.m.heardLocked() {
		return ok("+CESQ: 99,99,255,255,255,255")
	}
	r := k.m.net.radio
	return okf("+CESQ: 99,99,255,255,%d,%d", (r.RSRQdB+20)*2, r.RSRPdBm+141)
}

func cfun(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		return ok("+CFUN: " + strconv.Itoa(m.fun))
	case "=?":
		return ok("+CFUN: (0,1,4),(0,1)")
	}
	fun := k.num(0, 1)
	if k.num(1, 0) == 1 {
		return k.reset()
	}
	if fun != 0 && fun != 1 && fun != 4 {
		return k.cme(50)
	}
	return result{delay: 200 * time.Millisecond, then: func() result {
		m.funLocked(fun)
		return ok()
	}}
}

// funLocked switches the radio. Without it (0) the card loses its PIN, too.
func (m *Modem) funLocked(fun int) {
	if m.fun == 1 && fun != 1 {
		m.count.Radio++
		m.cureLocked("radio", nil)
	}
	was := m.fun
	m.fun = fun
	switch {
	case fun == 0:
		m.sim.verified, m.sim.ready = false, false
	case was == 0:
		m.simChangedLocked()
	}
	m.moveLocked()
}

func cgatt(k *call) result {
	m := k.m
	switch k.op {
	case "?":
		if m.registeredLocked() {
			return ok("+CGATT: 1")
		}
		return ok("+CGATT: 0")
	case "=?":
		return ok("+CGATT: (0,1)")
	}
	m.net.detached = k.num(0, 1) == 0
	if m.net.detached {
		m.count.Reselections++
		m.cureLocked("attach", nil)
		m.moveLocked()
		return ok().wait(300 * time.Millisecond)
	}
	m.moveLocked()
	return result{delay: m.pace.Register + 50*time.Millisecond, then: func() result {
		if !m.registeredLocked() {
			return k.cme(30)
		}
		return ok()
	}}
}

func ceer(k *call) result {
	if k.m.pers.TextErrors {
		return k.unknown()
	}
	if k.m.onLocked("denied", nil) {
		return okf("+CEER: EMM cause %d", k.m.causeLocked())
	}
	return ok("+CEER: No cause information available")
}

// cclk is the clock in the form of TS 27.007 §8.15, the zone in quarters of an hour.
func cclk(k *call) result {
	if k.m.onLocked("clock-nonsense", nil) {
		return ok(`+CCLK: "70/01/01,00:00:07+00"`)
	}
	return ok(`+CCLK: "` + k.m.clk.Now().In(time.FixedZone("", 8*3600)).Format("06/01/02,15:04:05") + `+32"`)
}
