package config

import (
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// tag checks the name of a source; def stands in where it has one.
func (c *checker) tag(at *node, v val[string], def string) string {
	switch {
	case v.At == nil && def == "" && !v.Bad:
		c.missing(at, "name", "a name: "+wantTag, "commands, logs and prefixes call it by this name")
	case v.At == nil:
		return def
	case !validTag(v.V):
		c.wrong(v.At, wantTag, "")
	default:
		return v.V
	}
	return ""
}

func (c *checker) serial(r *rawSerial) Serial {
	s := Serial{Pos: r.At.pos, Name: c.tag(r.At, r.Name, defSerial), Baud: int(r.Baud.or(defBaud)), DataBits: int(r.DataBits.or(defDataBits)),
		Parity: r.Parity.or("none"), StopBits: int(r.StopBits.or(1)), Flow: r.Flow.or("none"), RS485: r.RS485.or("off"), GPIO: r.GPIO.V,
		Framing: r.Framing.or("idle"), MaxFrame: int(r.MaxFrame.or(defMaxFrame)), CRLF: r.CRLF.or(true)}
	if r.Device.absent() {
		c.missing(r.At, "device", "the path of a serial port", "ls /dev/serial/by-id shows names that stay when USB renumbers")
	} else if r.Device.At != nil && c.absolute(r.Device.At, r.Device.V, "/dev/ttyS1") {
		s.Device = r.Device.V
		if !strings.HasPrefix(s.Device, "/dev/") {
			c.wrong(r.Device.At, "a path below /dev", "")
		}
	}
	s.Idle = c.idle(r.Idle, s.Framing == "idle", `framing = "idle"`)
	s.Delimiter = c.delimiter(r.Delimiter, s.Framing == "delimiter", `framing = "delimiter"`)
	switch {
	case s.RS485 == "gpio" && s.GPIO == "":
		c.missing(r.At, "gpio", "the line that switches the driver", "write gpio = \"gpiochip0:17\"; gpioinfo shows the lines")
	case s.RS485 != "gpio" && s.GPIO != "":
		c.wrong(r.GPIO.At, `no gpio without rs485 = "gpio"`, "")
	case s.GPIO != "" && !validLine(s.GPIO):
		c.wrong(r.GPIO.At, "a chip and a line such as \"gpiochip0:17\"", "gpioinfo shows them")
	case s.RS485 == "rts" && s.Flow == "rtscts":
		c.wrong(r.Flow.At, "no rtscts with rs485 = \"rts\"", "RTS cannot do both")
	}
	return s
}

func validLine(s string) bool {
	chip, line, ok := strings.Cut(s, ":")
	_, err := strconv.ParseUint(line, 10, 16)
	return ok && err == nil && len(chip) <= 32 && chip != "" && only(strings.ToLower(chip), "_-.")
}

func (c *checker) timer(r *rawTimer) Timer {
	t := Timer{Pos: r.At.pos, Name: c.tag(r.At, r.Name, defTimer), Interval: r.Interval.or(defTimerInterval), Mode: r.Mode.or("after_result"), Text: r.Text.V}
	t.First = r.First.or(t.Interval)
	c.short(r.Text)
	return t
}

func (c *checker) statusReport(r *rawReport) Report {
	c.short(r.Text)
	return Report{Pos: r.At.pos, Name: c.tag(r.At, r.Name, defReport), Interval: r.Interval.or(defReportInterval), Text: r.Text.V}
}

func (c *checker) short(v val[string]) {
	if len(v.V) > maxPayload {
		c.wrong(v.At, "at most 1024 bytes", "")
	}
}

func (c *checker) local(r *rawLocal) Local {
	l := Local{Pos: r.At.pos, Name: c.tag(r.At, r.Name, ""), Type: r.Type.or("stream"), Group: r.Group.V}
	switch {
	case r.Path.absent():
		c.missing(r.At, "path", "the path of the socket", "write path = \"/run/luatnetd/app.sock\"")
	case len(r.Path.V) > maxSocket:
		c.wrong(r.Path.At, "a path of at most 107 bytes", "the kernel allows no more for a socket")
	case r.Path.At != nil:
		c.absolute(r.Path.At, r.Path.V, "/run/luatnetd/app.sock")
		l.Path = r.Path.V
	}
	mode, err := strconv.ParseUint(r.Mode.or(defMode), 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
		c.wrong(r.Mode.At, "file rights such as \"0660\"", "who may write may connect")
	}
	l.Mode = fs.FileMode(mode)
	if r.Group.At != nil && l.Group != "" && !validGroup(l.Group) {
		c.wrong(r.Group.At, "the name of a group", "getent group shows them")
	}
	return l
}

func (c *checker) server(r *rawServer) Server {
	s := Server{Pos: r.At.pos, Name: c.name(r.At, r.Name), Kind: r.Kind.or("tcp"), LAN: r.LAN.V, Port: uint16(r.Port.or(defServerPort)), Second: r.Second.or("refuse"),
		Greeting: r.Greeting.or(true), MaxClients: 1}
	if r.LAN.absent() {
		c.missing(r.At, "lan", "the name of a LAN", "servers wait for devices in a LAN, never for an uplink")
	}
	if s.Kind == "tcp_multi" {
		s.MaxClients = int(r.MaxClients.or(defMaxClients))
	} else if r.MaxClients.At != nil {
		c.wrong(r.MaxClients.At, `no max_clients without kind = "tcp_multi"`, "")
	}
	if s.Kind == "udp" {
		s.BroadcastPort, s.Heartbeat = uint16(r.BroadcastPort.or(defBroadcastPort)), r.Heartbeat.or(defServerHeartbeat)
	} else if n := firstNode(r.BroadcastPort.At, r.Heartbeat.At); n != nil {
		c.wrong(n, `no such key without kind = "udp"`, "")
	}
	if s.Kind == "udp" && r.Second.At != nil {
		c.wrong(r.Second.At, `no second with kind = "udp"`, "the last sender gets the answers")
	}
	return s
}

const wantSchedule = `"" or a time such as "every 1h", from 10s to 365d`

func (c *checker) oneShot(r *rawOneShot) OneShot {
	o := OneShot{Pos: r.At.pos, Name: c.tag(r.At, r.Name, ""), Connection: r.Connection.V, Text: r.Text.V,
		ConnectTimeout: r.ConnectTimeout.or(defConnectTimeout), ReplyTimeout: r.ReplyTimeout.or(defReplyTimeout)}
	c.short(r.Text)
	if r.Connection.absent() {
		c.missing(r.At, "connection", "the name of a connection", "its host, port and TLS are used; it keeps its own connection")
	}
	if o.Suspend = r.Suspend.or(false); o.Suspend && r.Schedule.V == "" {
		c.wrong(r.Suspend.At, "no suspend without a schedule", "the machine has to know when to wake up")
	}
	if r.Schedule.V == "" {
		return o
	}
	text, ok := strings.CutPrefix(r.Schedule.V, "every ")
	every, valid := parseDuration(text)
	if !ok || !valid || every < 10*time.Second || every > 365*24*time.Hour {
		c.wrong(r.Schedule.At, wantSchedule, "")
	}
	if o.Suspend && every > 0 && every < minSuspend {
		c.wrong(r.Suspend.At, `a schedule of at least "every `+shortTime(minSuspend)+`"`, "a shorter sleep is not worth it")
	}
	o.Every = every
	return o
}
