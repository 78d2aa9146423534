package port

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestLC07Framer: silence, a delimiter or the limit ends a message.
func TestLC07Framer(t *testing.T) {
	long := strings.Repeat("x", 1100)
	for name, tt := range map[string]struct {
		frame Frame
		in    []string // what arrives, 10 ms apart
		want  []string
		rest  string // what silence ends
	}{
		"1100 bytes in parts":        {Frame{}, []string{long[:500], long[500:]}, nil, long},
		"limit":                      {Frame{Limit: 4}, []string{"abcdefghi"}, []string{"abcd", "efgh"}, "i"},
		"lines":                      {Frame{Delimiter: []byte("\r\n")}, []string{"a\r\nb\r", "\nc"}, []string{"a", "b"}, "c"},
		"empty lines":                {Frame{Delimiter: []byte("\n")}, []string{"\n\na\n\n"}, []string{"a"}, ""},
		"line as long as the limit":  {Frame{Delimiter: []byte("\r\n"), Limit: 3}, []string{"abc", "\r", "\nde"}, []string{"abc"}, "de"},
		"line longer than the limit": {Frame{Delimiter: []byte("\n"), Limit: 3}, []string{"abcd\ne"}, []string{"abc", "d"}, "e"},
	} {
		t.Run(name, func(t *testing.T) {
			f := framer{Frame: tt.frame.withDefaults()}
			var got []string
			for i, s := range tt.in {
				for _, m := range f.add([]byte(s), t0.Add(time.Duration(i)*10*time.Millisecond)) {
					got = append(got, string(m))
				}
			}
			if strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Errorf("messages %q, want %q", got, tt.want)
			}
			if rest := string(f.flush()); rest != tt.rest {
				t.Errorf("rest %q, want %q", rest, tt.rest)
			}
		})
	}
}

// TestLC07Due: 50 ms after the newest byte, and never while nothing has begun.
func TestLC07Due(t *testing.T) {
	f := framer{Frame: Frame{}.withDefaults()}
	if _, begun := f.due(); begun {
		t.Error("due before the first byte")
	}
	f.add([]byte("a"), t0)
	f.add([]byte("b"), t0.Add(30*time.Millisecond))
	if due, begun := f.due(); !begun || !due.Equal(t0.Add(80*time.Millisecond)) {
		t.Errorf("due %v %v", due, begun)
	}
	lines := framer{Frame: Frame{Delimiter: []byte("\n")}.withDefaults()}
	lines.add([]byte("a"), t0)
	if _, begun := lines.due(); begun {
		t.Error("with a delimiter silence ends nothing")
	}
}

// FuzzFramer: no byte is lost, doubled or moved, however the stream is cut.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("a\r\nbb\r\n\r\nccc"), "\r\n", uint8(3), uint8(2))
	f.Add([]byte("aaaaaaa"), "aa", uint8(2), uint8(1))
	f.Add([]byte("plain"), "", uint8(0), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, delimiter string, limit, step uint8) {
		if len(delimiter) > 16 {
			return
		}
		frame := Frame{Delimiter: []byte(delimiter), Limit: int(limit)}.withDefaults()
		whole, parts := framer{Frame: frame}, framer{Frame: frame}
		a := whole.add(in, t0)
		var b [][]byte
		for i := 0; i < len(in); i += int(step) + 1 {
			b = append(b, parts.add(in[i:min(len(in), i+int(step)+1)], t0)...)
		}
		a, b = append(a, whole.flush()), append(b, parts.flush())
		if !bytes.Equal(bytes.Join(a, []byte{0, 1}), bytes.Join(b, []byte{0, 1})) {
			t.Fatalf("cut at once %q, in parts %q", a, b)
		}
		for _, m := range a {
			if len(m) > frame.Limit+len(delimiter) {
				t.Fatalf("message of %d bytes over the limit of %d", len(m), frame.Limit)
			}
		}
		if delimiter == "" && !bytes.Equal(bytes.Join(a, nil), in) {
			t.Fatalf("got %q of %q", a, in)
		}
	})
}
