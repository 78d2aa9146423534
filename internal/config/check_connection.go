package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"luatnetd/client"
)

// How many entries there may be of each kind: more is a slip, not a plan.
const (
	maxConnections = 256
	maxEntries     = 64
)

// connection checks one [[connection]] by itself.
func (c *checker) connection(r *rawConnection) Connection {
	n := Connection{
		Pos: r.At.pos, Name: c.name(r.At, r.Name), Kind: client.Kind(r.Kind.or(defKind)), Port: uint16(r.Port.V), LocalPort: uint16(r.LocalPort.V),
		Uplink: r.Uplink.V, Switch: r.Switch.or(defSwitch), IPv6: r.IPv6.V, CloseTimeout: r.CloseTimeout.or(defCloseTimeout),
		ConnectTimeout: r.ConnectTimeout.or(defConnectTimeout), ConfirmTimeout: r.ConfirmTimeout.or(defConfirmTimeout),
		WindowBytes: int(r.WindowBytes.or(defWindowBytes)), WindowMessages: int(r.WindowMessages.or(defWindowMessages)),
		PrefixSend: r.PrefixSend.or(true), PrefixRecv: r.PrefixRecv.or(true),
		ID: r.ID.V, FeedsWatchdog: r.FeedsWatchdog.or(true), Trace: int(r.Trace.or(defTrace)),
	}
	n.Host = c.peer(r.At, r.Host)
	if r.Port.absent() {
		c.missing(r.At, "port", "0 to 65535", "the port of the server; 0 only resolves its name")
	}
	c.reconnect(r, &n)
	c.frames(r, &n)
	c.tls(r, &n)
	n.Label = c.label(r, &n)
	c.keepAlive(r, &n)
	n.Register = c.register(&r.Register)
	c.confirmed(r, &n)
	n.Heartbeat = c.heartbeat(&r.Heartbeat)
	n.Queue = c.queue(&r.Queue)
	return n
}

// peer reads a name or address.
func (c *checker) peer(at *node, v val[string]) string {
	const want = `a name such as "gw.example.com" or an address such as "192.0.2.10"`
	if v.absent() {
		c.missing(at, "host", want, "the server to connect to")
		return ""
	}
	if v.At == nil || validServer(v.V) {
		return v.V
	}
	hint := ""
	if host, port, ok := strings.Cut(v.V, ":"); ok && validServer(host) {
		hint = "the port has a key of its own: host = " + quote(host) + " and port = " + port
	}
	if strings.Contains(v.V, "://") {
		hint = "no URL: only the name of the machine"
	}
	c.wrong(v.At, want, hint)
	return ""
}

func validServer(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	numbers := strings.Trim(s, "0123456789.") == "" // 10.0.0.300 is no name
	return !numbers && validDomain(strings.TrimSuffix(s, "."))
}

func (c *checker) reconnect(r *rawConnection, n *Connection) {
	n.Reconnect, n.Backoff = r.Reconnect.or(defReconnect), r.Backoff.or(defBackoff)
	n.ReconnectMax = r.ReconnectMax.or(max(defReconnectMax, n.Reconnect))
	if n.ReconnectMax < n.Reconnect {
		c.wrong(r.ReconnectMax.At, "at least reconnect, "+quote(n.Reconnect.String()), "it is where the waits stop growing")
	}
}

// frames checks how messages are told apart.
func (c *checker) frames(r *rawConnection, n *Connection) {
	n.FrameSend, n.FrameRecv = r.FrameSend.or(defFrameSend), r.FrameRecv.or(defFrameRecv)
	if datagrams(n.Kind) && (r.FrameRecv.At != nil && n.FrameRecv != defFrameRecv) {
		c.wrong(r.FrameRecv.At, `"read" for `+string(n.Kind), "each datagram is a message already")
	}
	n.Delimiter = c.delimiter(r.Delimiter, n.FrameRecv == "delimiter", `frame_recv = "delimiter"`)
	n.Idle = c.idle(r.Idle, n.FrameRecv == "idle", `frame_recv = "idle"`)
}

func (c *checker) delimiter(v val[string], used bool, where string) string {
	switch {
	case v.At != nil && !used:
		c.wrong(v.At, "no delimiter without "+where, "")
	case v.At != nil && (v.V == "" || len(v.V) > maxDelimiter):
		c.wrong(v.At, fmt.Sprintf("1 to %d bytes such as \"\\r\\n\"", maxDelimiter), "")
	case used:
		return v.or(defDelimiter)
	}
	return ""
}

func (c *checker) idle(v val[time.Duration], used bool, where string) time.Duration {
	if v.At != nil && !used {
		c.wrong(v.At, "no idle without "+where, "")
	}
	if used {
		return v.or(defIdle)
	}
	return 0
}

func datagrams(k client.Kind) bool { return k == client.UDP || k == client.DTLS }
func encrypted(k client.Kind) bool { return k == client.TLS || k == client.DTLS }

// label is the server's kind in the prefix of what it sends, as the demo's
// files are called.
func (c *checker) label(r *rawConnection, n *Connection) string {
	switch {
	case r.Label.At != nil:
		if !validTag(r.Label.V) {
			c.wrong(r.Label.At, wantTag, "")
		}
		return r.Label.V
	case n.Kind == client.TLS && n.TLS.CA != "":
		return "tcp_ssl_ca"
	case n.Kind == client.TLS:
		return "tcp_ssl"
	}
	return string(n.Kind)
}

func (c *checker) keepAlive(r *rawConnection, n *Connection) {
	k := &r.KeepAlive
	if k.At != nil && datagrams(n.Kind) {
		c.bad(k.At, "connection.keepalive", "[connection.keepalive]", "no such section for "+string(n.Kind), "TCP has it; write [connection.heartbeat]")
	}
	if datagrams(n.Kind) {
		return
	}
	n.KeepAlive = KeepAlive{Enabled: k.Enabled.or(true), Idle: k.Idle.or(defKeepIdle), Interval: k.Interval.or(defKeepInterval), Count: int(k.Count.or(defKeepCount))}
}

// confirmed checks what confirms a message.
func (c *checker) confirmed(r *rawConnection, n *Connection) {
	n.Confirmed = r.Confirmed.or(ConfirmTCP)
	if datagrams(n.Kind) {
		n.Confirmed = r.Confirmed.or(ConfirmHanded)
	}
	switch {
	case datagrams(n.Kind) && n.Confirmed == ConfirmTCP:
		c.wrong(r.Confirmed.At, `"handed" or "reply" for `+string(n.Kind), "nobody acknowledges a datagram; let the server answer and write \"reply\"")
	case !datagrams(n.Kind) && n.Confirmed == ConfirmHanded:
		c.wrong(r.Confirmed.At, `"tcp" or "reply" for `+string(n.Kind), "what only the kernel has is lost when the connection breaks")
	}
	p := &r.Reply
	if n.Confirmed != ConfirmReply {
		if p.At != nil {
			c.bad(p.At, "connection.reply", "[connection.reply]", `no such section without confirmed = "reply"`, "")
		}
		return
	}
	n.Reply = Reply{Pattern: c.pattern(p.Pattern), Timeout: p.Timeout.or(n.ConfirmTimeout)}
	if n.Reply.Pattern.Single() {
		return
	}
	switch {
	case !n.ID:
		c.wrong(p.Pattern.At, "no {id} without id = true", "write id = true in the [[connection]]: the number must be sent before it can be answered")
	case n.Register.When != "message" || !n.Register.Data.Has("id"):
		c.wrong(p.Pattern.At, "no {id} where no message carries its number", "write [connection.register] with text = \"{id} \" and when = \"message\"")
	}
}

// pattern reads what the server answers.
func (c *checker) pattern(v val[string]) client.ReplyPattern {
	const want = "printable text such as \"ok {id}\", with {id} once and no other placeholder"
	p, err := client.ParseReply(v.V)
	if err != nil || !printable(v.V) {
		c.wrong(v.At, want, "")
	}
	return p
}

func (c *checker) heartbeat(r *rawHeartbeat) Heartbeat {
	if r.At == nil {
		return Heartbeat{}
	}
	h := Heartbeat{Interval: r.Interval.or(defHeartbeat), Data: c.payload(r.At, r.Text, r.Hex)}
	switch {
	case r.Expect.At == nil || r.Expect.V == "":
	case r.Hex.At != nil:
		h.Expect = c.bytes(r.Expect)
	case !printable(r.Expect.V):
		c.wrong(r.Expect.At, "printable text", "where the heartbeat is in hex, this is in hex, too")
	default:
		h.Expect = []byte(r.Expect.V)
	}
	return h
}

func (c *checker) register(r *rawRegister) Register {
	if r.At == nil {
		return Register{}
	}
	return Register{Data: c.payload(r.At, r.Text, r.Hex), When: r.When.or(defWhen)}
}

// payload reads text or hex, one of them.
func (c *checker) payload(at *node, text, hexa val[string]) client.Template {
	switch {
	case text.absent() && hexa.absent():
		c.missing(at, "text", "text or hex", "what is to be sent, such as text = \"{imei}\" or hex = \"00\"")
	case text.At != nil && hexa.At != nil:
		c.wrong(hexa.At, "one of text and hex", "")
	case hexa.At != nil:
		return client.Fixed(c.bytes(hexa))
	case text.At != nil && (text.V == "" || len(text.V) > maxPayload):
		c.wrong(text.At, fmt.Sprintf("1 to %d bytes", maxPayload), "")
	case text.At != nil:
		return c.template(text)
	}
	return client.Template{}
}

func (c *checker) bytes(v val[string]) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(v.V))
	if err != nil || len(b) == 0 || len(b) > maxPayload {
		c.wrong(v.At, fmt.Sprintf("1 to %d bytes in hex such as \"00\" or \"7e:01:7e\"", maxPayload), "")
	}
	return b
}

// template reads text with placeholders and reports a {word} that stands for
// nothing.
func (c *checker) template(v val[string]) client.Template {
	var unknown client.UnknownPlaceholder
	t, err := client.ParseTemplate(v.V)
	if errors.As(err, &unknown) {
		var known []string
		for _, p := range client.Placeholders {
			known = append(known, "{"+p+"}")
		}
		p := "{" + unknown.Name + "}"
		c.bad(v.At, v.At.path(), quote(p), oneOf(known), didYouMean(p, known))
	}
	return t
}

func printable(s string) bool {
	return len(s) <= maxPayload && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\r' && r != '\n' && r != '\t' || r == 0x7f })
}

func (c *checker) queue(r *rawQueue) Queue {
	q := Queue{Mode: r.Mode.or(defQueueMode), Full: r.Full.or(defFull), MaxBytes: r.MaxBytes.or(defQueueBytes), MaxMessages: int(r.MaxMessages.or(defQueueMessages)), MaxAge: r.MaxAge.or(Infinite)}
	if q.MaxAge == Infinite {
		q.MaxAge = 0
	}
	if q.Mode == "disk" && r.Sync.or(defSync) == "1s" {
		q.Sync = time.Second
	}
	if r.Sync.At != nil && q.Mode != "disk" {
		c.wrong(r.Sync.At, `no sync without mode = "disk"`, "")
	}
	return q
}
