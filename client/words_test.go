package client

import (
	"testing"
)

// LC-05: prefixes, byte for byte.
func TestLC05Prefixes(t *testing.T) {
	if got := SendPrefix("uart"); got != "send from uart: " {
		t.Errorf("%q", got)
	}
	for label, want := range map[string]string{
		Label(TCP, false): "recv from tcp server: ", Label(UDP, false): "recv from udp server: ",
		Label(TLS, false): "recv from tcp_ssl server: ", Label(TLS, true): "recv from tcp_ssl_ca server: ",
	} {
		if got := RecvPrefix(label); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// SOCK-04: eight states with LuatOS's numbers, each with a name.
func TestSOCK04States(t *testing.T) {
	for i, want := range []string{"LINK_OFF", "OFF_LINE", "WAIT_DNS", "CONNECTING", "SHAKEHAND", "ONLINE", "LISTEN", "DISCONNECTING", "STATE_8"} {
		if got := State(i).String(); got != want {
			t.Errorf("state %d is %s, want %s", i, got, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	values := map[string]string{"imei": "867", "sn": "S1"}
	for text, want := range map[string]string{"": "", "plain": "plain", "{imei},{sn}": "867,S1", "{{x}": "{x}", "{id}": "5", "{csq}": "", "a{{": "a{"} {
		tpl, err := ParseTemplate(text)
		if err != nil || string(tpl.Fill(values, 5)) != want {
			t.Errorf("%q: %q, %v; want %q", text, tpl.Fill(values, 5), err, want)
		}
	}
	for _, text := range []string{"{", "{imei", "{what}", "{ imei}"} {
		if _, err := ParseTemplate(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	if h, err := ParseHex("02 fF0d"); err != nil || string(h.Fill(nil, 0)) != "\x02\xff\r" {
		t.Errorf("hex: %v, %v", h, err)
	}
	for _, text := range []string{"2", "zz", "02,03"} {
		if _, err := ParseHex(text); err == nil {
			t.Errorf("hex %q: no error", text)
		}
	}
}

func TestReplyPattern(t *testing.T) {
	for name, tt := range map[string]struct {
		pattern, frame string
		id             uint64
		ok             bool
	}{
		"any":             {"", "x", 0, true},
		"text":            {"OK", "all OK here", 0, true},
		"other text":      {"OK", "error", 0, false},
		"id":              {"ack {id}", "ack 17", 17, true},
		"id in the midst": {"<{id}>", "noise <a> <18> more", 18, true},
		"no id":           {"ack {id}", "ack x", 0, false},
		"wrong tail":      {"ack {id};", "ack 17.", 0, false},
		"second fits":     {"a{id}z", "a1x a2z", 2, true},
		"too large":       {"{id}!", "99999999999999999999999!", 0, false},
		"id alone":        {"{id}", "42", 42, true},
	} {
		p, err := ParseReply(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := p.Match([]byte(tt.frame)); id != tt.id || ok != tt.ok {
			t.Errorf("%s: %d, %v; want %d, %v", name, id, ok, tt.id, tt.ok)
		}
	}
	for _, bad := range []string{"{id}{id}", "{imei}", "{"} {
		if _, err := ParseReply(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("ack {id}", []byte("ack 17"))
	f.Add("{{{id}}", []byte("{5}"))
	f.Add("", []byte(""))
	f.Fuzz(func(t *testing.T, pattern string, frame []byte) {
		if tpl, err := ParseTemplate(pattern); err == nil {
			_ = tpl.Fill(map[string]string{"imei": "1"}, 2)
		}
		if p, err := ParseReply(pattern); err == nil {
			if id, ok := p.Match(frame); ok && !p.Single() && id == 0 && len(frame) == 0 {
				t.Fatal("an id out of nothing")
			}
		}
		_, _ = ParseHex(pattern)
	})
}
