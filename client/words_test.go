package client

import (
	"errors"
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
	for text, want := range map[string]string{"": "", "plain": "plain", "{imei},{sn}": "867,S1", "{{x}": "{x}", "{id}": "5", "{csq}": "", "a{{": "a{", "{": "{", "{imei": "{imei", "{ imei}": "{ imei}",
		`{"sn":"{sn}","n":{"a":1}}`: `{"sn":"S1","n":{"a":1}}`, "reg {imei}\r\n": "reg 867\r\n", "{}": "{}"} {
		tpl, err := ParseTemplate(text)
		if err != nil || string(tpl.Fill(values, 5)) != want {
			t.Errorf("%q: %q, %v; want %q", text, tpl.Fill(values, 5), err, want)
		}
	}
	var unknown UnknownPlaceholder
	if _, err := ParseTemplate("a {what}"); !errors.As(err, &unknown) || unknown.Name != "what" {
		t.Errorf("{what}: %v", err)
	}
	if got := Fixed([]byte("{imei}\x00")).Fill(values, 0); string(got) != "{imei}\x00" {
		t.Errorf("fixed bytes became %q", got)
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
	for _, bad := range []string{"{id}{id}", "{imei}", "{what}"} {
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
	})
}
