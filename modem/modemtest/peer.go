package modemtest

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Protocols and codes of PPP (RFC 1661 §5, RFC 1332, RFC 1334).
const (
	protoLCP  = 0xc021
	protoPAP  = 0xc023
	protoIPCP = 0x8021
	protoIP   = 0x0021

	confReq, confAck, confNak, confRej = 1, 2, 3, 4
	termReq, termAck                   = 5, 6
	protRej                            = 8
	echoReq, echoRep                   = 9, 10
)

// peer is the far end of a PPP link: it negotiates, gives the bearer's address,
// answers echoes and drops packets. It knows the faults of the table.
type peer struct {
	call  PPPCall
	id    byte
	magic uint32
	ours  bool // our LCP request was accepted
	theirs,
	authed,
	ip bool
	over bool
}

func newPeer(call PPPCall) *peer { return &peer{call: call, magic: 0x4c754174} }

// run serves the link until it ends.
func (p *peer) run() {
	buf := make([]byte, 2048)
	var rest []byte
	for !p.over {
		n, err := p.call.RW.Read(buf)
		if err != nil {
			return
		}
		rest = pppFrames(append(rest, buf[:n]...), p.frame)
		if len(rest) > 8192 {
			rest = nil
		}
	}
}

func (p *peer) send(protocol uint16, code, id byte, body []byte) {
	packet := []byte{code, id, 0, 0}
	binary.BigEndian.PutUint16(packet[2:], uint16(4+len(body)))
	_, _ = p.call.RW.Write(pppFrame(protocol, append(packet, body...)))
}

func (p *peer) frame(protocol uint16, b []byte) {
	if protocol == protoIP {
		return
	}
	if len(b) < 4 || int(binary.BigEndian.Uint16(b[2:])) > len(b) || binary.BigEndian.Uint16(b[2:]) < 4 {
		return
	}
	code, id, body := b[0], b[1], b[4:binary.BigEndian.Uint16(b[2:])]
	switch protocol {
	case protoLCP:
		p.lcp(code, id, body)
	case protoPAP:
		p.pap(code, id, body)
	case protoIPCP:
		p.ipcp(code, id, body)
	default:
		if p.open() {
			p.id++
			p.send(protoLCP, protRej, p.id, append([]byte{byte(protocol >> 8), byte(protocol)}, b...))
		}
	}
}

func (p *peer) open() bool { return p.ours && p.theirs }

// auth says whether the peer asks for user and password.
func (p *peer) auth() bool { return p.call.User != "" || p.call.Fault == "ppp-auth" }

func (p *peer) lcp(code, id byte, body []byte) {
	if p.call.Fault == "ppp-lcp-refused" {
		p.send(protoLCP, termAck, id, nil)
		return
	}
	switch code {
	case confReq:
		if !p.theirs && !p.ours {
			p.request()
		}
		if bad := options(body, 1, 2, 5); len(bad) > 0 {
			p.send(protoLCP, confRej, id, bad)
			return
		}
		p.theirs = true
		p.send(protoLCP, confAck, id, body)
		p.opened()
	case confAck:
		p.ours = true
		p.opened()
	case confNak, confRej: // it will not authenticate itself
		p.terminate()
	case termReq:
		p.send(protoLCP, termAck, id, nil)
		p.over = true
	case echoReq:
		if p.call.Fault != "ppp-no-echo" {
			p.send(protoLCP, echoRep, id, binary.BigEndian.AppendUint32(nil, p.magic))
		}
	}
}

// request is our LCP Configure-Request.
func (p *peer) request() {
	var opt []byte
	if p.auth() {
		opt = []byte{3, 4, protoPAP >> 8, protoPAP & 0xff}
	}
	opt = binary.BigEndian.AppendUint32(append(opt, 5, 6), p.magic)
	p.id++
	p.send(protoLCP, confReq, p.id, opt)
}

func (p *peer) opened() {
	if p.open() && !p.auth() && !p.authed {
		p.authed = true
		p.requestIP()
	}
}

func (p *peer) requestIP() {
	p.id++
	p.send(protoIPCP, confReq, p.id, []byte{3, 6, 10, 64, 64, 64})
}

func (p *peer) terminate() {
	p.id++
	p.send(protoLCP, termReq, p.id, nil)
	p.over = true
}

// pap checks user and password (RFC 1334 §2.2).
func (p *peer) pap(code, id byte, body []byte) {
	if code != 1 || len(body) < 2 {
		return
	}
	n := int(body[0])
	if len(body) < n+2 {
		return
	}
	user, rest := body[1:1+n], body[1+n:]
	word := rest[1:]
	good := p.call.Fault != "ppp-auth" && string(user) == p.call.User && int(rest[0]) <= len(word) && string(word[:rest[0]]) == p.call.Password
	if !good {
		p.send(protoPAP, 3, id, []byte{0})
		p.terminate()
		return
	}
	p.send(protoPAP, 2, id, []byte{0})
	p.authed = true
	p.requestIP()
}

// ipcp gives address and DNS servers (RFC 1332, RFC 1877).
func (p *peer) ipcp(code, id byte, body []byte) {
	if !p.authed {
		return
	}
	switch code {
	case confReq:
		if bad := options(body, 3, 129, 131); len(bad) > 0 {
			p.send(protoIPCP, confRej, id, bad)
			return
		}
		if want := p.addresses(body); !bytes.Equal(want, body) {
			p.send(protoIPCP, confNak, id, want)
			return
		}
		p.ip = true
		p.send(protoIPCP, confAck, id, body)
	case termReq:
		p.send(protoIPCP, termAck, id, nil)
	}
}

// addresses is the request with our values in it.
func (p *peer) addresses(body []byte) []byte {
	out := slices.Clone(body)
	value := map[byte]netip.Addr{3: p.call.Data.Addr4}
	for i, kind := range []byte{129, 131} {
		if i < len(p.call.Data.DNS) {
			value[kind] = p.call.Data.DNS[i]
		}
	}
	for i := 0; i+6 <= len(out); i += int(out[i+1]) {
		if a, ok := value[out[i]]; ok && a.Is4() {
			copy(out[i+2:], a.AsSlice())
		}
	}
	return out
}

// options are those of a request that are not among the known, for a Reject.
func options(body []byte, known ...byte) []byte {
	var bad []byte
	for i := 0; i+2 <= len(body) && body[i+1] >= 2 && i+int(body[i+1]) <= len(body); i += int(body[i+1]) {
		if !slices.Contains(known, body[i]) {
			bad = append(bad, body[i:i+int(body[i+1])]...)
		}
	}
	return bad
}
