package netns

import (
	"context"
	"fmt"
	"strings"
	"time"

	"luatnetd/internal/lab"
)

func serverRows() []row {
	var one, many1, many2, udp *lab.Talker
	client := func(p **lab.Talker, port string) func(s *stage) error {
		return func(s *stage) (err error) {
			*p, err = s.Client.Talk("ncat", "192.168.5.1", port)
			return err
		}
	}
	connect := func(s *stage, p **lab.Talker, port, greeting string) error {
		if err := client(p, port)(s); err != nil {
			return err
		}
		return (*p).Hears(5*time.Second, greeting)
	}
	return []row{
		{"SRV-01", "a LAN client is greeted", func(s *stage) error { return connect(s, &one, "50003", "TCP server is UP!") }},
		{"SRV-01", "a second client is refused", func(s *stage) error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			out, _ := s.Client.Run(ctx, "ncat", "--recv-only", "192.168.5.1", "50003")
			if ctx.Err() != nil || strings.Contains(out, "UP") {
				return fmt.Errorf("it got %q and was not closed: %w", out, ctx.Err())
			}
			return nil
		}},
		{"SRV-01", "what it says reaches the serial port without a prefix", func(s *stage) error {
			if err := one.Say("raw words"); err != nil {
				return err
			}
			return s.uart.Hears(5*time.Second, "\r\nraw words\r\n")
		}},
		{"SRV-01", "the serial port reaches it", func(s *stage) error {
			if err := s.uart.Say("to the client"); err != nil {
				return err
			}
			return one.Hears(5*time.Second, "send from uart: to the client")
		}},
		{"SRV-02", "the first of many is greeted", func(s *stage) error {
			return connect(s, &many1, "50004", "TCP server is UP! you are client-1")
		}},
		{"SRV-02", "the second of many is greeted", func(s *stage) error {
			return connect(s, &many2, "50004", "TCP server is UP! you are client-2")
		}},
		{"SRV-02", "a message goes to all of them", func(s *stage) error {
			if err := s.uart.Say("to all clients"); err != nil {
				return err
			}
			if err := many1.Hears(5*time.Second, "send from uart: to all clients"); err != nil {
				return err
			}
			return many2.Hears(5*time.Second, "send from uart: to all clients")
		}},
		{"SRV-02", "or to one of them", func(s *stage) error {
			out, code, err := s.Ctl("send", "many", "--to", "client-2", "only you")
			if err != nil || code != 0 {
				return fmt.Errorf("ctl send: exit %d, %w: %s", code, err, out)
			}
			if err := many2.Hears(5*time.Second, "send from ctl: only you"); err != nil {
				return err
			}
			if strings.Contains(many1.Got(), "only you") {
				return fmt.Errorf("client-1 got it as well")
			}
			return nil
		}},
		{"SRV-03", "a datagram reaches the serial port without a prefix", func(s *stage) (err error) {
			if udp, err = s.Client.Talk("ncat", "-u", "192.168.5.1", "50003"); err != nil {
				return err
			}
			if err := udp.Say("by datagram"); err != nil {
				return err
			}
			return s.uart.Hears(5*time.Second, "by datagram\r\n")
		}},
		{"SRV-03", "the last sender gets what the serial port says", func(s *stage) error {
			if err := s.uart.Say("to the last sender"); err != nil {
				return err
			}
			return udp.Hears(5*time.Second, "send from uart: to the last sender")
		}},
		{"SRV-03", "a datagram SOCKET_CLOSED is data, not a command", func(s *stage) error {
			if err := udp.Say("SOCKET_CLOSED"); err != nil {
				return err
			}
			return s.uart.Hears(5*time.Second, "SOCKET_CLOSED\r\n")
		}},
		{"UDP-01", "silence is broken by a heartbeat to port 50000", func(s *stage) error {
			p, err := s.Client.Talk("socat", "-u", "UDP-RECV:50000", "STDOUT")
			if err != nil {
				return err
			}
			defer p.Kill()
			return p.Hears(20*time.Second, "UDP Server Heartbeat")
		}},
		{"SRV-04", "after a flap of the link the server is there again", func(s *stage) error {
			if err := s.Client.SetUp("eth0", false); err != nil {
				return err
			}
			time.Sleep(time.Second)
			if err := s.Client.SetUp("eth0", true); err != nil {
				return err
			}
			return lab.Poll(10*time.Second, func() error {
				if err := connect(s, &many1, "50004", "you are client-"); err != nil {
					many1.Kill()
					return err
				}
				return nil
			})
		}},
	}
}
