package client

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"luatnetd/netif"
)

func TestFrameSend(t *testing.T) {
	for f, want := range map[FrameSend]string{SendPlain: "ab", SendCRLF: "ab\r\n", SendLength: "\x00\x02ab", "": "ab"} {
		got, err := f.Frame(nil, []byte("ab"))
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", f, got, err, want)
		}
	}
	if _, err := SendLength.Frame(nil, make([]byte, 1<<16)); err == nil {
		t.Error("65,536 bytes have no two-byte length")
	}
}

// TestCutter: what arrives in pieces comes out in messages.
func TestCutter(t *testing.T) {
	for name, tt := range map[string]struct {
		c    Cutter
		in   []string // 10 ms apart; "~" is a silence of 100 ms
		want string   // messages, each in brackets
	}{
		"read":                {Cutter{}, []string{"a", "bc"}, "[a][bc]"},
		"delimiter":           {Cutter{How: RecvDelimiter}, []string{"a", "b\nc", "\n\n"}, "[ab][c][]"},
		"long delimiter":      {Cutter{How: RecvDelimiter, Delimiter: []byte("\r\n")}, []string{"a\r", "\nb\n\r\n"}, "[a][b\n]"},
		"delimiter, too long": {Cutter{How: RecvDelimiter, Max: 3}, []string{"abcdef\n"}, "[abc][def]"},
		"length":              {Cutter{How: RecvLength}, []string{"\x00", "\x02a", "b\x00\x01c\x00\x00"}, "[ab][c][]"},
		"idle":                {Cutter{How: RecvIdle, Idle: 50 * time.Millisecond}, []string{"a", "b", "~", "c", "~"}, "[ab][c]"},
		"idle, seen late":     {Cutter{How: RecvIdle, Idle: 5 * time.Millisecond}, []string{"a", "b"}, "[a]"},
		"idle, too long":      {Cutter{How: RecvIdle, Idle: time.Second, Max: 2}, []string{"abc"}, "[ab]"},
	} {
		t.Run(name, func(t *testing.T) {
			now := netif.Boot(time.Second)
			var got strings.Builder
			put := func(list [][]byte) {
				for _, m := range list {
					got.WriteString("[" + string(m) + "]")
				}
			}
			for _, p := range tt.in {
				if p == "~" {
					now = now.Add(100 * time.Millisecond)
					put(tt.c.Flush(now))
					continue
				}
				now = now.Add(10 * time.Millisecond)
				put(tt.c.Add(now, []byte(p)))
			}
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got.String(), tt.want)
			}
		})
	}
}

// FuzzCutter: nothing is lost or invented, whatever the pieces are.
func FuzzCutter(f *testing.F) {
	f.Add([]byte("a\nb\n"), uint8(1), uint8(0))
	f.Add([]byte("\x00\x05hello\x00\x00"), uint8(2), uint8(1))
	f.Add([]byte("hello"), uint8(3), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, size, how uint8) {
		kind := []FrameRecv{RecvRead, RecvDelimiter, RecvLength, RecvIdle}[how%4]
		c := Cutter{How: kind, Idle: time.Millisecond, Max: 100}
		now := netif.Boot(0)
		var all []byte
		for in := data; len(in) > 0; {
			n := min(int(size)%16+1, len(in))
			for _, m := range c.Add(now, in[:n]) {
				if kind != RecvLength && len(m) > 100 {
					t.Fatalf("a message of %d bytes", len(m))
				}
				all = append(all, m...)
			}
			in = in[n:]
		}
		all = append(all, c.buf...)
		switch kind {
		case RecvRead, RecvIdle:
			if !bytes.Equal(all, data) {
				t.Fatalf("%q became %q", data, all)
			}
		default:
			if len(all) > len(data) {
				t.Fatalf("%d bytes became %d", len(data), len(all))
			}
		}
	})
}
