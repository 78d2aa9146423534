package dns

import (
	"encoding/hex"
	"strings"
	"testing"

	miekg "github.com/miekg/dns"
)

func raw(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMalformedQueries(t *testing.T) {
	const head = "1234 0100 0001 0000 0000 0000 "
	const question = "03777777076578616d706c6503636f6d00 0001 0001"
	const opt = "00 0029 04d0 00000000 0000"
	tests := []struct {
		name string
		msg  string
		want int // rcode, -1: silence
	}{
		{"Q01 RFC9619-4 no question", "1234 0100 0000 0000 0000 0000", miekg.RcodeFormatError},
		{"Q01 RFC9619-4 two questions", "1234 0100 0002 0000 0000 0000" + question + question, miekg.RcodeFormatError},
		{"Q02 RFC1035-4.1.1 opcode STATUS", "1234 1100 0001 0000 0000 0000" + question, miekg.RcodeNotImplemented},
		{"Q02 RFC1035-4.1.1 opcode UPDATE", "1234 2900 0001 0000 0000 0000" + question, miekg.RcodeNotImplemented},
		{"Q02 RFC1035-4.1.1 a response", "1234 8180 0001 0000 0000 0000" + question, -1},
		{"Q04 short header", "1234 0100 0001", -1},
		{"Q04 empty", "", -1},
		{"Q04 RFC1035-4.1.4 pointer to itself", head + "c00c 0001 0001", -1},
		{"Q04 RFC1035-4.1.4 pointer forward", head + "03777777 c020 0001 0001", -1},
		{"Q04 RFC1035-4.1.4 pointer into the header", head + "03777777 c000 0001 0001", -1},
		{"Q04 label of 64 bytes", head + "40" + strings.Repeat("61", 64) + "00 0001 0001", -1},
		{"Q04 label beyond the end", head + "3f6161", -1},
		{"Q04 name of 256 bytes", head + strings.Repeat("3f"+strings.Repeat("61", 63), 3) + "3e" + strings.Repeat("61", 62) + "00 0001 0001", -1},
		{"Q04 type missing", head + "03777777 00 00", miekg.RcodeFormatError},
		{"Q08 RFC6891-6.1.1 two OPT", "1234 0100 0001 0000 0000 0002" + question + opt + opt, miekg.RcodeFormatError},
		{"Q08 OPT with an owner", "1234 0100 0001 0000 0000 0001" + question + "0161" + opt, miekg.RcodeFormatError},
		{"Q08 counts beyond the end", "1234 0100 0001 0000 0000 0001" + question, miekg.RcodeFormatError},
		{"class CH is ours", head + "0776657273696f6e0462696e6400 0010 0003", miekg.RcodeRefused},
		{"AXFR", head + "076578616d706c6503636f6d00 00fc 0001", miekg.RcodeNotImplemented},
		{"OPT as type", head + "076578616d706c6503636f6d00 0029 0001", miekg.RcodeFormatError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{}, wanA)
			got := g.send(raw(t, tt.msg))
			switch {
			case tt.want == -1 && got != nil:
				t.Errorf("answered %v, want silence", got)
			case tt.want != -1 && got == nil:
				t.Errorf("no answer, want %s", miekg.RcodeToString[tt.want])
			case tt.want != -1 && (got.Rcode != tt.want || got.Id != 0x1234 || !got.Response):
				t.Errorf("answered %v, want %s", got, miekg.RcodeToString[tt.want])
			}
			if a := g.asks(); len(a) != 0 {
				t.Errorf("asked servers: %v", a)
			}
		})
	}
}

func TestQ09BadVersion(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	got := g.send(query("example.com.", 1, func(m *miekg.Msg) {
		m.SetEdns0(1232, false)
		m.IsEdns0().SetVersion(1)
	}))
	// The version number in the answer is ours.
	if got == nil || got.Rcode != miekg.RcodeBadVers || got.IsEdns0() == nil || got.IsEdns0().Version() != 0 {
		t.Errorf("answered %v, want BADVERS with version 0", got)
	}
}

func TestQ03Flags(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	got := g.resolve(query("example.com.", 1), func(m *miekg.Msg) {
		records("example.com. 60 IN A 203.0.113.5")(m)
		m.Authoritative, m.Zero, m.AuthenticatedData = true, true, true
	})
	if !got.RecursionAvailable || !got.RecursionDesired || got.Authoritative || got.Zero || got.AuthenticatedData {
		t.Errorf("flags of %v, want RA and RD, not AA, Z or AD", got.MsgHdr)
	}
	got = g.send(query("localhost.", 1, func(m *miekg.Msg) { m.Zero = true }))
	if !got.Authoritative || got.Zero {
		t.Errorf("flags of %v, want AA on local data and no Z", got.MsgHdr)
	}
}

func TestQ10SizesAndQ05Truncation(t *testing.T) {
	long := func(m *miekg.Msg) {
		for range 10 {
			records("example.com. 60 IN TXT " + strings.Repeat("x", 100))(m)
		}
	}
	extra := func(m *miekg.Msg) {
		records("example.com. 60 IN TXT short")(m)
		for range 10 {
			m.Ns = append(m.Ns, parse([]string{"example.com. 60 IN TXT " + strings.Repeat("n", 100)})...)
		}
		m.Extra = append(parse([]string{"ns.example.com. 60 IN A 203.0.113.7"}), m.Extra...)
	}
	absent := func(m *miekg.Msg) {
		m.Rcode = miekg.RcodeNameError
		authority(soa, "example.com. 60 IN TXT "+strings.Repeat("n", 250), "example.com. 60 IN TXT "+strings.Repeat("m", 250))(m)
	}
	tests := []struct {
		name    string
		edns    []func(*miekg.Msg)
		tcp     bool
		content func(*miekg.Msg)
		tc      bool
		answers int
		most    int
	}{
		{"Q05 RFC1035-4.2.1 no EDNS", nil, false, long, true, 0, 512},
		{"Q05 RFC2181-9 only extras cut", nil, false, extra, false, 1, 512},
		{"Q05 RFC2308-3 the SOA of a negative answer cut", nil, false, absent, true, 0, 512},
		{"Q10 RFC6891-6.2.3 size 100 is 512", []func(*miekg.Msg){withEDNS(100, false)}, false, long, true, 0, 512},
		{"Q10 RFC6891-6.2.5 size 1232", []func(*miekg.Msg){withEDNS(1232, false)}, false, long, false, 10, 1232},
		{"Q10 size 4096 is our 1232", []func(*miekg.Msg){withEDNS(4096, false)}, false, long, false, 10, 1232},
		{"Q06 RFC7766-5 TCP", nil, true, long, false, 10, 65535},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, Config{}, wanA)
			for range 2 { // the second time from the cache
				q := Query{Msg: query("example.com.", miekg.TypeTXT, tt.edns...), From: client1, TCP: tt.tcp, To: 1}
				got := g.sendAs(q)
				if got == nil {
					g.answer(g.ask(), tt.content)
					got = g.reply()
				}
				got.Compress = true // as sent; Len would count without
				if got.Truncated != tt.tc || len(got.Answer) != tt.answers || got.Len() > tt.most {
					t.Errorf("TC %v, %d answers, %d bytes; want %v, %d, at most %d", got.Truncated, len(got.Answer), got.Len(), tt.tc, tt.answers, tt.most)
				}
				if has := got.IsEdns0() != nil; has != (tt.edns != nil) { // Q08
					t.Errorf("OPT in the answer: %v", has)
				}
			}
		})
	}
}

func TestQ11ClientOptionsStayHere(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	g.send(query("example.com.", 1, func(m *miekg.Msg) {
		m.SetEdns0(4096, true)
		m.CheckingDisabled, m.AuthenticatedData = true, true
		m.IsEdns0().Option = []miekg.EDNS0{
			&miekg.EDNS0_COOKIE{Code: miekg.EDNS0COOKIE, Cookie: "0123456789abcdef"},
			&miekg.EDNS0_SUBNET{Code: miekg.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 168, 5, 0}},
			&miekg.EDNS0_NSID{Code: miekg.EDNS0NSID},
			&miekg.EDNS0_PADDING{Padding: make([]byte, 20)},
		}
	}))
	got := read(t, g.ask().Msg)
	o := got.IsEdns0()
	if o == nil || len(o.Option) != 0 || o.UDPSize() != 1232 || !o.Do() || !got.CheckingDisabled || !got.AuthenticatedData || !got.RecursionDesired {
		t.Errorf("asked %v, want our own OPT with DO and without options, CD, AD and RD copied", got)
	}
}

func TestQ16CaseOfTheQuestion(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	for i, name := range []string{"WwW.ExAmple.com.", "www.example.COM."} {
		got := g.send(query(name, 1))
		if got == nil {
			if i > 0 {
				t.Fatal("another spelling was not answered from the cache")
			}
			g.answer(g.ask(), func(m *miekg.Msg) {
				m.Question[0].Name = "www.example.com." // a server that does not keep the spelling
				records("www.example.com. 60 IN A 203.0.113.5")(m)
			})
			got = g.reply()
		}
		if got.Question[0].Name != name || len(got.Answer) != 1 {
			t.Errorf("answered %v, want the question as asked", got)
		}
	}
}

func TestQ37RFC8482Any(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	got := g.send(query("example.com.", miekg.TypeANY))
	if got == nil || len(got.Answer) != 1 || got.Answer[0].Header().Rrtype != miekg.TypeHINFO {
		t.Errorf("answered %v, want one HINFO", got)
	}
	if a := g.asks(); len(a) != 0 {
		t.Errorf("forwarded ANY: %v", a)
	}
}

func TestQ17UnknownTypesPass(t *testing.T) {
	g := newRig(t, Config{}, wanA)
	rr := &miekg.RFC3597{Hdr: miekg.RR_Header{Name: "example.com.", Rrtype: 65280, Class: 1, Ttl: 60}, Rdata: "c00c0102"}
	got := g.resolve(query("example.com.", 65280), func(m *miekg.Msg) { m.Answer = append(m.Answer, rr) })
	if len(got.Answer) != 1 || got.Answer[0].String() != rr.String() {
		t.Errorf("answered %v, want %v", got.Answer, rr)
	}
}
