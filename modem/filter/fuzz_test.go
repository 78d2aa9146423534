package filter

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzFilter: any bytes in any pieces, with any command in flight. The pieces do
// not matter, the memory is bounded, and what the library reads is whole lines:
// information behind a blank or a final result code, and of those not more than
// commands were sent.
func FuzzFilter(f *testing.F) {
	f.Add("+CSQ", []byte("\r\n+CSQ: 9,99\r\n\r\nOK\r\n+CREG: 1\r\n"), uint8(1))
	f.Add("+CMGS=5", []byte("\r\n> \r\n> 00\x1a\r\n+CMGS: 1\r\nOK\r\n"), uint8(3))
	f.Add("D*99#", []byte("CONNECT\r\n~\xff}#\xc0!\r\n"), uint8(2))
	f.Add("+CSQ;+CREG?", []byte("\x00\xff+CREG: 0,1\r\r\n+CMT: 1\r\nERRORLOG\r\nERROR\r\nOK\r\n"), uint8(7))
	f.Add("", []byte("0\rNA\r"+strings.Repeat("x", 3000)+"\n+CME ERROR: 3\n"), uint8(200))
	f.Fuzz(func(t *testing.T, cmd string, in []byte, size uint8) {
		if strings.ContainsAny(cmd, "\r\n") {
			return
		}
		whole, pieces := new(Filter), new(Filter)
		a, ua := through(t, whole, cmd, in, len(in)+1)
		b, ub := through(t, pieces, cmd, in, int(size)+1)
		if a != b || ua != ub {
			t.Fatalf("in pieces of %d: %q, %q; whole: %q, %q", size, b, ub, a, ua)
		}
		check(t, a)
		if cap(whole.line) > 2*MaxLine || len(a) > MaxAnswer+100 || len(whole.urcs.list) > MaxURCs {
			t.Fatal("not bounded")
		}
	})
}

// through sends a command and gives the filter in, in pieces.
func through(t *testing.T, f *Filter, cmd string, in []byte, size int) (answer, urcs string) {
	t.Helper()
	end := "\r\n"
	if strings.HasPrefix(cmd, "+CMGS") {
		end = "\r"
	}
	if _, err := f.Send([]byte("AT" + cmd + end)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for len(in) > 0 {
		n := min(size, len(in))
		if f.Receive(in[:n]) != nil {
			break
		}
		out.Write(f.Answer())
		in = in[n:]
	}
	out.Write(f.Answer())
	for u, ok := f.URC(); ok; u, ok = f.URC() {
		urcs += u.Line + "|"
		Mask(u.Line)
	}
	return out.String(), urcs
}

// check reads an answer as the library does.
func check(t *testing.T, answer string) {
	t.Helper()
	finals, prompts := 0, 0
	for _, line := range strings.SplitAfter(answer, "\r\n") {
		if rest, ok := strings.CutPrefix(line, ">"); ok {
			line = rest
			prompts++
		}
		switch {
		case line == "":
		case !strings.HasSuffix(line, "\r\n"):
			t.Fatalf("half a line: %q", line)
		case line[0] == ' ' && finals == 0:
		default:
			finals++
		}
	}
	if finals > 1 || prompts > 1 {
		t.Fatalf("answer %q", answer)
	}
}

// FuzzMask: no run of digits as long as a telephone number is left.
func FuzzMask(f *testing.F) {
	f.Add(`AT+CPIN="1234"`)
	f.Add("+CCED: 1,2,460001234567890,5")
	f.Fuzz(func(t *testing.T, s string) {
		run := 0
		for _, c := range Mask(s) {
			if run++; c < '0' || c > '9' {
				run = 0
			}
			if run >= longDigits {
				t.Fatalf("%q shows %q", s, Mask(s))
			}
		}
	})
}
