package netns

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// row is one line of the demo's checklist.
type row struct {
	id, what string
	do       func(s *stage) error
}

// typed types on the serial port and wants it at the server of a connection.
func typed(id, conn, text string) row {
	return row{id, conn + " carries the serial port", func(s *stage) error {
		if err := s.uart.Say(text); err != nil {
			return err
		}
		return s.hears(conn, "send from uart: "+text)
	}}
}

// counted wants the timer's first message.
func counted(conn string) row {
	return row{"LC-08", conn + " carries the timer", func(s *stage) error { return s.hears(conn, "send from timer: 1") }}
}

// answered lets a server speak and wants it on the serial port.
func answered(conn string) row {
	return row{"LC-05", "what the server of " + conn + " says reaches the serial port", func(s *stage) error {
		text := "hello from " + conn
		if err := s.peers[conn].Say(text); err != nil {
			return err
		}
		return s.uart.Hears(5*time.Second, "recv from "+s.labels[conn]+" server: "+text+"\r\n")
	}}
}

// TestClientDemo: LuatOS's demo from one file, byte for byte, against foreign
// programs: ncat, socat, openssl.
func TestClientDemo(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		s := newStage(t)
		for _, r := range demoRows() {
			t.Run(r.id+" "+r.what, func(t *testing.T) {
				if err := r.do(s); err != nil {
					t.Error(err)
				}
			})
		}
		s.noForeign()
		if t.Failed() {
			out, _ := s.ctl("connection", "udp", "trace")
			t.Logf("trace of udp:\n%s", out)
		}
	})
}

func demoRows() []row {
	rows := []row{}
	for _, conn := range []string{"tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual"} {
		rows = append(rows, online(conn))
	}
	for _, conn := range []string{"tcp", "udp", "tcp_ssl", "tcp_ssl_ca", "mutual"} {
		rows = append(rows, typed("LC-05", conn, "typed for "+conn), answered(conn), counted(conn))
	}
	rows = append(rows, serialRows()...)
	rows = append(rows, localRows()...)
	rows = append(rows, serverRows()...)
	return append(rows, operatorRows()...)
}

// online waits until a connection is ONLINE.
func online(name string) row {
	return row{"SOCK-01", name + " comes online", func(s *stage) error { return s.state(name, "ONLINE") }}
}

func serialRows() []row {
	burst := strings.Repeat("0123456789a", 100)
	return []row{
		{"LC-07", "a burst of 1,100 bytes is one message", func(s *stage) error {
			if err := s.uart.Say(burst); err != nil {
				return err
			}
			return s.hears("tcp", "send from uart: "+burst)
		}},
		{"LC-07", "two bursts 100 ms apart are two", func(s *stage) error {
			if err := s.uart.Say("first"); err != nil {
				return err
			}
			time.Sleep(150 * time.Millisecond) // the line's own silence is what is tested
			if err := s.uart.Say("second"); err != nil {
				return err
			}
			return s.hears("tcp", "send from uart: firstsend from uart: second")
		}},
		{"LC-06", "one message reaches all five connections", func(s *stage) error {
			if err := s.uart.Say("everybody"); err != nil {
				return err
			}
			for name := range s.peers {
				if err := s.hears(name, "send from uart: everybody"); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		}},
	}
}

func localRows() []row {
	return []row{
		{"LC-09", "the status report is JSON with fresh values", func(s *stage) error {
			const tag = "send from Aircloud_main: "
			return lab.Poll(20*time.Second, func() error {
				_, rest, ok := strings.Cut(s.peers["tcp"].Got(), tag)
				if !ok {
					return fmt.Errorf("no report yet")
				}
				var list []map[string]any
				if err := json.NewDecoder(strings.NewReader(rest)).Decode(&list); err != nil {
					return fmt.Errorf("%q: %w", rest, err)
				}
				if len(list) < 2 || list[0]["field_meaning"] == nil || list[0]["value"] == nil {
					return fmt.Errorf("the report is %v", list)
				}
				if _, again, ok := strings.Cut(rest, tag); !ok || strings.HasPrefix(rest, again) {
					return fmt.Errorf("the reports do not change: %q", rest)
				}
				return nil
			})
		}},
		{"LC-03", "a local program is told that its message was accepted, over a stream", func(s *stage) error {
			return s.program("unix", "prog.sock", "from a program\n", "accepted")
		}},
		{"LC-05", "and the server gets it", func(s *stage) error { return s.hears("tcp", "send from prog: from a program") }},
		{"LC-03", "the same by datagram", func(s *stage) error {
			return s.program("unixgram", "dgram.sock", "one datagram", "accepted")
		}},
		{"LC-05", "and the server gets that, too", func(s *stage) error { return s.hears("tcp", "send from dgram: one datagram") }},
		{"LC-06", "ctl send reaches one connection", func(s *stage) error {
			out, code, err := s.Ctl("send", "tcp", "by hand")
			if err != nil || code != 0 {
				return fmt.Errorf("ctl send: exit %d, %w: %s", code, err, out)
			}
			if err := s.hears("tcp", "send from ctl: by hand"); err != nil {
				return err
			}
			if got := s.peers["tcp_ssl"].Got(); strings.Contains(got, "by hand") {
				return fmt.Errorf("another server got it as well")
			}
			return nil
		}},
		{"SC-01", "a short connection sends, gets its answer and closes", func(s *stage) error {
			p, err := s.Server.Talk("socat", "TCP-LISTEN:46001,reuseaddr", "SYSTEM:head -c 6; echo =answer")
			if err != nil {
				return err
			}
			defer p.Kill()
			return lab.Poll(5*time.Second, func() error {
				out, code, err := s.Ctl("oneshot", "short")
				if err != nil || code != 0 || !strings.Contains(out, "answer") {
					return fmt.Errorf("ctl oneshot: exit %d, %w: %s", code, err, out)
				}
				return nil
			})
		}},
		{"SC-01", "a short connection that nobody answers says connect false", func(s *stage) error {
			out, code, err := s.Ctl("oneshot", "short")
			if err != nil || code == 0 || !strings.Contains(out, "connect false") {
				return fmt.Errorf("ctl oneshot: exit %d, %w: %s", code, err, out)
			}
			return nil
		}},
	}
}

func operatorRows() []row {
	return []row{
		{"SOCK-03", "keep-alive is what was configured", func(s *stage) error {
			out, err := s.Gateway.Run(context.Background(), "ss", "-tno", "dst", lab.WebAddr)
			if err != nil || !strings.Contains(out, "keepalive") {
				return fmt.Errorf("ss: %w: %s", err, out)
			}
			return nil
		}},
		{"SOCK-04", "the trace shows the states by name", func(s *stage) error {
			out, code, err := s.Ctl("connection", "tcp_ssl", "trace")
			for _, word := range []string{"CONNECTING", "SHAKEHAND", "ONLINE"} {
				if err == nil && (code != 0 || !strings.Contains(out, word)) {
					err = fmt.Errorf("exit %d, no %s in %s", code, word, out)
				}
			}
			return err
		}},
		{"LC-02", "a killed server is found again", func(s *stage) error {
			s.peers["tcp"].Kill()
			if err := lab.Poll(10*time.Second, func() error {
				c, err := s.connection("tcp")
				if err == nil && c["state"] == "ONLINE" {
					err = fmt.Errorf("still ONLINE")
				}
				return err
			}); err != nil {
				return err
			}
			s.peer("tcp", "ncat", "-l", "-k", "-p", "42145")
			return s.state("tcp", "ONLINE")
		}},
		{"SOCK-08", "its end has a cause in words", func(s *stage) error {
			c, err := s.connection("tcp")
			if err == nil && fmt.Sprint(c["last_error"]) == "" {
				err = fmt.Errorf("no last_error in %v", c)
			}
			return err
		}},
		{"LC-10", "a new uplink carries the connection within 2 s", func(s *stage) error {
			if err := s.ISPs[0].Cut(); err != nil {
				return err
			}
			began := time.Now()
			defer func() { _ = s.ISPs[0].Restore() }()
			return lab.Poll(2*time.Second, func() error {
				c, err := s.connection("tcp_ssl_ca")
				if err == nil && (c["state"] != "ONLINE" || c["uplink"] != "wan2") {
					err = fmt.Errorf("after %v it is %v on %v", time.Since(began), c["state"], c["uplink"])
				}
				return err
			})
		}},
		{"LC-04", "what was accepted before kill -9 arrives after it", func(s *stage) error {
			if err := s.active2(); err != nil {
				return err
			}
			s.peers["tcp"].Kill()
			for i := range 20 {
				if err := s.program("unix", "prog.sock", fmt.Sprintf("kept %d\n", i), "accepted"); err != nil {
					return err
				}
			}
			if err := s.Stop(syscall.SIGKILL); err != nil {
				return err
			}
			s.peer("tcp", "ncat", "-l", "-k", "-p", "42145")
			if err := s.Start("--log-level", "debug"); err != nil {
				return err
			}
			for i := range 20 {
				if err := s.peers["tcp"].Hears(20*time.Second, fmt.Sprintf("send from prog: kept %d", i)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"NTP-01", "ctl time says whether time can be trusted", func(s *stage) error {
			out, code, err := s.Ctl("time")
			if err != nil || code != 0 || !strings.Contains(out, "trusted") {
				return fmt.Errorf("ctl time: exit %d, %w: %s", code, err, out)
			}
			return nil
		}},
		{"OBS-03", "ctl status names the insecure connection, ctl ports the gap, ctl servers the clients", func(s *stage) error {
			for _, q := range []struct{ args, want string }{{"status", "connection-insecure"}, {"ports", "nobody listened for"}, {"servers", "192.168.5.1:50003"}} {
				if err := lab.Poll(5*time.Second, func() error { // a serial port is open again a moment after the start
					if out, code, err := s.Ctl(q.args); err != nil || code != 0 || !strings.Contains(out, q.want) {
						return fmt.Errorf("ctl %s: exit %d, %v, no %q in %s", q.args, code, err, q.want, out)
					}
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"OBS-01", "the log has a line for each change of state", func(s *stage) error {
			for _, want := range []string{"connection=tcp", "ONLINE"} {
				if !strings.Contains(s.Daemon.Output(), want) {
					return fmt.Errorf("the daemon's log has no %q", want)
				}
			}
			return nil
		}},
	}
}
