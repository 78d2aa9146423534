package modemtest

import (
	"bytes"
	"testing"
	"time"
)

// link is a PPP host on the wire, by hand.
type link struct {
	o    *on
	rest []byte
}

func (o *on) dial() *link {
	o.Helper()
	o.h.has("ATD*99***1#", "CONNECT")
	return &link{o: o}
}

// packet sends and returns what comes back, as protocol and packet.
func (l *link) packet(protocol uint16, code, id byte, body ...byte) map[uint16][][]byte {
	l.o.Helper()
	n := len(body) + 4
	l.o.h.send(string(pppFrame(protocol, append([]byte{code, id, byte(n >> 8), byte(n)}, body...))))
	time.Sleep(time.Second)
	got := map[uint16][][]byte{}
	l.rest = pppFrames(append(l.rest, l.o.h.take()...), func(p uint16, b []byte) { got[p] = append(got[p], bytes.Clone(b)) })
	return got
}

func pppRefused(o *on) {
	o.fault("ppp-lcp-refused")
	l := o.dial()
	if got := l.packet(protoLCP, confReq, 1, 5, 6, 1, 2, 3, 4)[protoLCP]; len(got) != 1 || got[0][0] != termAck {
		o.Errorf("got %x", got)
	}
}

func pppAuth(o *on) {
	o.fault("ppp-auth")
	l := o.dial()
	got := l.packet(protoLCP, confReq, 1)[protoLCP]
	if len(got) != 2 || !bytes.Contains(got[0], []byte{3, 4, 0xc0, 0x23}) || got[1][0] != confAck {
		o.Fatalf("got %x", got)
	}
	l.packet(protoLCP, confAck, got[0][1], got[0][4:]...)
	answer := l.packet(protoPAP, 1, 7, 1, 'u', 1, 'p')
	if pap := answer[protoPAP]; len(pap) != 1 || pap[0][0] != 3 {
		o.Errorf("PAP %x", answer)
	}
}

// open negotiates up to IPCP.
func (l *link) open() {
	l.o.Helper()
	got := l.packet(protoLCP, confReq, 1)[protoLCP]
	if len(got) != 2 || got[0][0] != confReq {
		l.o.Fatalf("LCP %x", got)
	}
	if ip := l.packet(protoLCP, confAck, got[0][1], got[0][4:]...)[protoIPCP]; len(ip) != 1 || ip[0][0] != confReq {
		l.o.Fatalf("IPCP %x", ip)
	}
}

func pppNoEcho(o *on) {
	o.fault("ppp-no-echo")
	l := o.dial()
	l.open()
	if got := l.packet(protoLCP, echoReq, 9, 0, 0, 0, 0); len(got) != 0 {
		o.Errorf("got %x", got)
	}
}

func TestPPPGivesTheBearersAddress(t *testing.T) {
	scene(t, "generic-ppp", func(o *on) {
		l := o.dial()
		l.open()
		if got := l.packet(protoLCP, echoReq, 9, 0, 0, 0, 0)[protoLCP]; len(got) != 1 || got[0][0] != echoRep {
			o.Errorf("echo: %x", got)
		}
		zero := []byte{3, 6, 0, 0, 0, 0, 129, 6, 0, 0, 0, 0}
		got := l.packet(protoIPCP, confReq, 2, zero...)[protoIPCP]
		want := []byte{3, 6, 10, 32, 140, 11, 129, 6, 192, 0, 2, 53}
		if len(got) != 1 || got[0][0] != confNak || !bytes.Equal(got[0][4:], want) {
			o.Fatalf("first request: %x", got)
		}
		if got := l.packet(protoIPCP, confReq, 3, want...)[protoIPCP]; len(got) != 1 || got[0][0] != confAck {
			o.Errorf("second request: %x", got)
		}
		if got := l.packet(0x8057, confReq, 1)[protoLCP]; len(got) != 1 || got[0][0] != protRej {
			o.Errorf("IPV6CP: %x", got)
		}
		o.m.Deactivate(false)
		o.heard("NO CARRIER", time.Second)
	})
}

// fcs against the example of RFC 1662 §C.2: a frame with its check sequence
// leaves 0xf0b8.
func TestFCS(t *testing.T) {
	b := []byte{0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4}
	sum := fcs(b)
	if got := ^fcs(append(b, byte(sum), byte(sum>>8))); got != 0xf0b8 {
		t.Errorf("residue %#x", got)
	}
}
