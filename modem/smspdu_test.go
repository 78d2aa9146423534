package modem

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// deliver builds an SMS-DELIVER by hand (TS 23.040 §9.2.2.1): from 46708251358,
// 99-03-29 15:16:59 +2; header and data as octets, length in septets or octets.
func deliver(header bool, dcs string, length int, data string) string {
	first := "04"
	if header {
		first = "44"
	}
	return "07917283010010F5" + first + "0B916407281553F800" + dcs + "99309251619580" + fmt.Sprintf("%02X", length) + data
}

func TestDecodePDU(t *testing.T) {
	at := time.Date(1999, 3, 29, 15, 16, 59, 0, time.FixedZone("", 7200))
	for _, tt := range []struct{ name, pdu, from, text string }{
		// the two examples of many tutorials
		{"GSM 7 bit", "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37", "27838890001", "hellohello"},
		{"international", deliver(false, "00", 10, "E8329BFD4697D9EC37"), "+46708251358", "hellohello"},
		{"UCS2", deliver(false, "08", 4, "4F60597D"), "+46708251358", "你好"},
		{"surrogates", deliver(false, "08", 4, "D83DDE00"), "+46708251358", "😀"},
		{"half a surrogate", deliver(false, "08", 4, "0041D83D"), "+46708251358", "A"},
		{"binary", deliver(false, "04", 3, "0102FF"), "+46708251358", "(binary) 0102ff"},
		{"euro", deliver(false, "00", 2, "9B32"), "+46708251358", "€"},
		{"empty", deliver(false, "00", 0, ""), "+46708251358", ""},
	} {
		p, err := DecodePDU(tt.pdu)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		m := join([]Part{p})
		if m.From != tt.from || m.Text != tt.text || !m.At.Equal(at) || p.Total != 1 {
			t.Errorf("%s: %+v", tt.name, m)
		}
	}
	// "Air" as alphanumeric sender: 3 septets in 6 semi-octets, C1 B4 1C
	p, err := DecodePDU("00" + "04" + "06D0C1B41C" + "0000" + "99309251619580" + "0AE8329BFD4697D9EC37")
	if err != nil || p.From != "Air" {
		t.Errorf("%+v %v", p, err)
	}
	// a status report: reference 5, to 46708251358, delivered
	r, err := DecodePDU("07917283010010F5" + "06" + "05" + "0B916407281553F8" + "99309251619580" + "99309251619580" + "00")
	if err != nil || !r.Report || r.Ref != 5 || r.From != "+46708251358" || r.Status != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestDecodeBrokenPDU(t *testing.T) {
	for _, pdu := range []string{"", "x", "0", "00", "07917283010010F5", "07917283010010F504", deliver(false, "00", 200, "E8"), deliver(true, "00", 4, "FF000301"),
		deliver(true, "00", 8, "06050301"), "01000B916407281553F800000AE8329BFD4697D9EC37", strings.Repeat("0", 1000)} {
		p, err := DecodePDU(pdu)
		if err == nil && pdu != "" {
			t.Errorf("%q: %+v", pdu, p)
			continue
		}
		m := join([]Part{p})
		if !strings.HasPrefix(m.Text, "(unreadable)") && pdu != "" {
			t.Errorf("%q: shows as %q", pdu, m.Text)
		}
		if m.Key == "" {
			t.Errorf("%q: no key", pdu)
		}
	}
}

// partPDU is part seq of total with reference ref.
func partPDU(ref, total, seq int, ucs2 string) string {
	data := fmt.Sprintf("050003%02X%02X%02X", ref, total, seq) + ucs2
	return deliver(true, "08", len(data)/2, data)
}

func mustPart(t *testing.T, pdu string) Part {
	t.Helper()
	p, err := DecodePDU(pdu)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestJoiner(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	var j Joiner
	add := func(slot int, pdu string) []Joined { return j.Add(now, slot, mustPart(t, pdu)) }
	// A surrogate pair lies in parts 1 and 2; they come out of order, one twice,
	// another message with another reference between them.
	one, two, three := partPDU(7, 3, 1, "0041D83D"), partPDU(7, 3, 2, "DE00"), partPDU(7, 3, 3, "0042")
	if got := add(4, three); got != nil {
		t.Fatal(got)
	}
	add(1, one)
	add(6, one)
	if got := add(2, partPDU(8, 2, 1, "0058")); got != nil {
		t.Fatal(got)
	}
	got := add(5, two)
	if len(got) != 1 || got[0].SMS.Text != "A😀B" || !slices.Equal(got[0].Slots, []int{4, 1, 6, 5}) {
		t.Fatalf("%+v", got)
	}
	if j.Waiting() != 1 {
		t.Errorf("%d parts wait", j.Waiting())
	}
	// The same reference, another text: another message.
	add(7, partPDU(8, 2, 1, "0059"))
	got = add(8, partPDU(8, 2, 2, "005A"))
	if len(got) != 1 || got[0].SMS.Text != "XZ" {
		t.Fatalf("%+v", got)
	}
	now = now.Add(maxWait - time.Second)
	if got := j.Expired(now); got != nil {
		t.Fatalf("too early: %+v", got)
	}
	if got := j.Expired(now.Add(time.Second)); len(got) != 1 || got[0].SMS.Text != "Y…" || j.Waiting() != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestJoinerIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	var j Joiner
	released := 0
	for i := range 200 {
		for _, m := range j.Add(now.Add(time.Duration(i)*time.Second), i, mustPart(t, partPDU(i, 3, 1+i%2, "0041"))) {
			released += len(m.Slots)
			if !strings.Contains(m.SMS.Text, "…") {
				t.Fatalf("%q", m.SMS.Text)
			}
		}
		if j.Waiting() > maxSlots {
			t.Fatalf("%d parts fill the card", j.Waiting())
		}
	}
	if released+j.Waiting() != 200 {
		t.Errorf("%d parts were released and %d wait, of 200", released, j.Waiting())
	}
	var one Joiner
	var got []Joined
	for i := range maxSlots + 1 {
		got = append(got, one.Add(now, i, mustPart(t, partPDU(1, 20, i+1, "0041")))...)
	}
	if len(got) != 1 || one.Waiting() != 0 {
		t.Errorf("%d parts of one message: %d released, %d wait", maxSlots+1, len(got), one.Waiting())
	}
	wide := Joiner{Room: 30}
	for i := range 20 {
		if got := wide.Add(now, i, mustPart(t, partPDU(1, 20, i+1, "0041"))); (len(got) == 1) != (i == 19) {
			t.Fatalf("part %d of 20: %v", i+1, got)
		}
	}
}

func TestKey(t *testing.T) {
	a := join([]Part{mustPart(t, deliver(false, "08", 4, "4F60597D"))})
	b := join([]Part{mustPart(t, deliver(false, "08", 4, "4F60597D"))})
	c := join([]Part{mustPart(t, deliver(false, "08", 4, "4F60597E"))})
	d := join([]Part{mustPart(t, partPDU(1, 1, 1, "4F60597D"))})
	if a.Key != b.Key || a.Key == c.Key || len(a.Key) != 32 {
		t.Errorf("%s %s %s", a.Key, b.Key, c.Key)
	}
	if d.Text != "你好" {
		t.Errorf("one part of one: %+v", d)
	}
	p := mustPart(t, deliver(false, "08", 4, "4F60597D"))
	later := p
	later.At = later.At.Add(time.Second)
	if join([]Part{p}).Key == join([]Part{later}).Key {
		t.Error("the time is not in the key")
	}
}

func TestEncodeSMS(t *testing.T) {
	// The tutorials' SMS-SUBMIT, without validity period.
	list, err := EncodeSMS("+46708251358", "hellohello", 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].PDU != "0001000B916407281553F800000AE8329BFD4697D9EC37" || list[0].Text != "+CMGS=22" || list[0].Timeout != 120*time.Second {
		t.Errorf("%+v", list)
	}
	list, _ = EncodeSMS("10086", "cx", 1)
	if len(list) != 1 || list[0].PDU != "0001000581"+"0180F6"+"000002"+"633C" {
		t.Errorf("a short number: %+v", list)
	}
	list, _ = EncodeSMS("+86 138-0000", "你好", 1)
	if len(list) != 1 || list[0].PDU != "0001000991"+"68310800F0"+"000804"+"4F60597D" {
		t.Errorf("UCS2: %+v", list)
	}
	for _, tt := range []struct {
		text  string
		parts int
	}{
		{strings.Repeat("a", 160), 1}, {strings.Repeat("a", 161), 2}, {strings.Repeat("a", 306), 2}, {strings.Repeat("a", 307), 3},
		{strings.Repeat("好", 70), 1}, {strings.Repeat("好", 71), 2}, {strings.Repeat("好", 180), 3}, {strings.Repeat("€", 80), 1}, {strings.Repeat("😀", 70), 3},
		{strings.Repeat("a", 152) + strings.Repeat("€", 10), 2},
	} {
		list, err := EncodeSMS("+46708251358", tt.text, 9)
		if err != nil || len(list) != tt.parts {
			t.Errorf("%d characters: %d parts, want %d, %v", len([]rune(tt.text)), len(list), tt.parts, err)
			continue
		}
		for i := range list {
			alone := join([]Part{{Total: 1, Seq: 1, alphabet: received(t, list[i]).alphabet, data: received(t, list[i]).data}}).Text
			if strings.ContainsRune(alone, '\ufffd') || !strings.Contains(tt.text, alone) {
				t.Errorf("part %d of %d characters alone: %q", i+1, len([]rune(tt.text)), alone)
			}
		}
		if got := receive(t, list); got != tt.text {
			t.Errorf("%d characters come back as %q", len([]rune(tt.text)), got)
		}
	}
	for _, bad := range []struct{ to, text string }{{"", "a"}, {"+", "a"}, {"abc", "a"}, {"123456789012345678901", "a"}, {"1", ""}, {"1", strings.Repeat("a", 1600)}, {"1;ATD", "a"}} {
		if list, err := EncodeSMS(bad.to, bad.text, 1); err == nil {
			t.Errorf("%q, %d bytes: %v", bad.to, len(bad.text), list)
		} else if bad.to != "" && strings.Contains(err.Error(), bad.to) && len(bad.to) > 1 {
			t.Errorf("the error shows the number: %v", err)
		}
	}
}

// receive turns each SMS-SUBMIT into the SMS-DELIVER that the other side gets:
// the fields are moved by hand, the user data stays as it is.
func receive(t *testing.T, list []Command) string {
	t.Helper()
	var j Joiner
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i := len(list) - 1; i >= 0; i-- {
		for _, m := range j.Add(now, i, received(t, list[i])) {
			return m.SMS.Text
		}
	}
	return ""
}

func received(t *testing.T, c Command) Part {
	t.Helper()
	pdu := c.PDU
	first, addr, rest := pdu[2:4], pdu[6:22], pdu[22:]
	header := "04"
	if first == "41" {
		header = "44"
	}
	if want := fmt.Sprintf("+CMGS=%d", len(pdu)/2-1); c.Text != want {
		t.Errorf("%s, want %s", c.Text, want)
	}
	return mustPart(t, "00"+header+addr+rest[:4]+"99309251619580"+rest[4:])
}

func TestParseSMSAnswers(t *testing.T) {
	lines := []string{"+CMGL: 1,0,,26", "0791AA", "+CMGL: 3,1,\"\",30", "0791BB", "+CMGL: 4,2,,10", "0011CC", "+CMGL: 5,0,,10", "+CMGL: 6,0,,10", "0791DD"}
	var got []string
	for _, s := range ParseCMGL(lines) {
		got = append(got, fmt.Sprintf("%d %d %s %v", s.Index, s.Stat, s.PDU, s.Received()))
	}
	if want := []string{"1 0 0791AA true", "3 1 0791BB true", "4 2 0011CC false", "6 0 0791DD true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s := ParseCMGL([]string{"+CMGR: 0,,26", "0791AA"}); len(s) != 1 || s[0].PDU != "0791AA" || s[0].Stat != 0 {
		t.Errorf("%+v", s)
	}
	if store, n, ok := ParseCMTI(`+CMTI: "SM",3`); !ok || store != "SM" || n != 3 {
		t.Error(store, n, ok)
	}
	if _, _, ok := ParseCMTI(`+CMT: "SM",3`); ok {
		t.Error("+CMT")
	}
	if used, total, ok := ParseCPMS([]string{`+CPMS: "SM",3,40,"SM",3,40,"SM",3,40`}); !ok || used != 3 || total != 40 { // captured
		t.Error(used, total, ok)
	}
	if used, total, ok := ParseCPMS([]string{"+CPMS: 10,10,10,10,10,10"}); !ok || used != 10 || total != 10 {
		t.Error(used, total, ok)
	}
	if n, ok := ParseCMGS([]string{"+CMGS: 12"}); !ok || n != 12 {
		t.Error(n, ok)
	}
}
