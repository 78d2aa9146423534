package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// connText is added to configText: LuatOS's demo of long connections, and a
// fifth with mutual TLS. PORT and DIR are filled in.
const connText = `
[[connection]]
name = "tcp"
host = "203.0.113.10"
port = 42145
reconnect = "500ms"          # "5s" without this line, here and below

[[connection]]
name = "udp"
kind = "udp"
host = "203.0.113.10"
port = 47708

[[connection]]
name = "tls"
kind = "tls"
host = "203.0.113.10"
port = 43428
reconnect = "500ms"
[connection.tls]
insecure = true              # as LuatOS without a certificate; status shows it

[[connection]]
name = "tls_ca"
kind = "tls"
host = "203.0.113.10"
port = 44443
reconnect = "500ms"
[connection.tls]
ca = "DIR/ca.pem"
server_name = "server.example"

[[connection]]
name = "mutual"
kind = "tls"
host = "203.0.113.10"
port = 45443
label = "tcp_ssl_mutual"
reconnect = "500ms"
[connection.tls]
ca = "DIR/ca.pem"
cert = "DIR/client.pem"
key = "DIR/client.key"
server_name = "server.example"

[[serial]]
name = "uart"
device = "PORT"

[[timer]]
name = "timer"
first = "30s"                # "5s" without these lines: a person wants to read
interval = "30s"

[[report]]
name = "Aircloud_main"       # every 30 s

[[local]]
name = "program"
path = "DIR/program.sock"

[[route]]
from = ["uart", "timer"]
to = ["tcp", "udp", "tls", "tls_ca", "mutual"]
[[route]]
from = ["Aircloud_main"]
to = ["tcp"]
[[route]]
from = ["program"]
to = ["tcp", "tls_ca"]
[[route]]
from = ["tcp", "udp", "tls", "tls_ca", "mutual"]
to = ["uart"]
`

// connGap is how long a cable may silence a connection: notice, decide, and
// shake hands again.
const connGap = 2 * time.Second

// clientStory is what long connections go through.
var clientStory = []step{
	{
		name: "the gateway is switched on",
		do: func(ctx context.Context, d *demo) error {
			d.began = time.Now()
			return d.power(ctx)
		},
		check: func(ctx context.Context, d *demo) (string, error) {
			err := d.online(ctx, "wan")
			return fmt.Sprintf("tcp, udp, tls, tls with CA and mutual tls are ONLINE through wan after %s", words(time.Since(d.began))), err
		},
	},
	{
		name:  "the device at the serial port speaks",
		do:    func(_ context.Context, d *demo) error { return d.uart.say(spoken) },
		check: func(ctx context.Context, d *demo) (string, error) { return d.heardByAll(ctx) },
	},
	{
		name:  "each server answers",
		do:    func(_ context.Context, d *demo) error { return d.allAnswer() },
		check: func(ctx context.Context, d *demo) (string, error) { return d.printed(ctx) },
	},
	{
		name: "wan2 is checked, to stand by",
		do:   nothing,
		check: func(ctx context.Context, d *demo) (string, error) {
			return "wan2 is verified", d.ready(ctx, 15*time.Second, "wan2")
		},
	},
	{
		name: "the cable of wan is pulled while a program sends",
		do: func(ctx context.Context, d *demo) error {
			return d.amid(ctx, func() error { return d.isp("wan").Cut() })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.moved(ctx, "wan2") },
	},
	{
		name: "the cable of wan is plugged in again while a program sends",
		do: func(ctx context.Context, d *demo) error {
			return d.amid(ctx, func() error { return d.isp("wan").Restore() })
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.moved(ctx, "wan") },
	},
	{
		name:  "the server of tcp dies; a program goes on sending; the server comes back",
		do:    func(ctx context.Context, d *demo) error { return d.serverDies(ctx) },
		check: func(ctx context.Context, d *demo) (string, error) { return d.flowed(ctx) },
	},
	{
		name: "the daemon is killed with -9 while a program sends, and started again",
		do: func(ctx context.Context, d *demo) error {
			return d.amid(ctx, func() error {
				if err := d.Stop(syscall.SIGKILL); err != nil {
					return err
				}
				pause(ctx, 300*time.Millisecond)
				return d.power(ctx)
			})
		},
		check: func(ctx context.Context, d *demo) (string, error) { return d.flowed(ctx) },
	},
}

// spoken is what the device says: every byte counts.
const spoken = "meter \x00\x01\xff 23.5 °C\r\nline two"

// buildClient makes the servers and the serial line, and adds their part to
// the configuration.
func (d *demo) buildClient() (err error) {
	if d.servers, err = farSide(d.Server, d.dir, d.say); err != nil {
		return err
	}
	for _, s := range d.servers {
		if err := s.start(); err != nil {
			return fmt.Errorf("server %s: %w", s.name, err)
		}
	}
	if d.uart, err = newDevice(d.say); err != nil {
		return err
	}
	return d.Write(configText + strings.NewReplacer("DIR", d.dir, "PORT", d.uart.port).Replace(connText))
}

// server is the server of that name, nil if there is none.
func (d *demo) server(name string) *far {
	for _, s := range d.servers {
		if s.name == name {
			return s
		}
	}
	return nil
}

// names are those of the servers.
func names(servers []*far) (list []string) {
	for _, s := range servers {
		list = append(list, s.name)
	}
	return list
}

// online waits until every connection is ONLINE, by that uplink.
func (d *demo) online(ctx context.Context, uplink string) error {
	return until(ctx, 15*time.Second, func() error {
		list, err := d.API.Connections(ctx)
		if err == nil && len(list) != len(d.servers) {
			err = fmt.Errorf("%d connections, want %d", len(list), len(d.servers))
		}
		for _, c := range list {
			if err == nil && (c.State != "ONLINE" || c.Uplink != uplink) {
				err = fmt.Errorf("connection %s is %s by %q, want ONLINE by %s: %s", c.Name, c.State, c.Uplink, uplink, c.LastError)
			}
		}
		return err
	})
}

// heardByAll waits until each server got what the device said, byte for byte.
func (d *demo) heardByAll(ctx context.Context) (string, error) {
	for _, s := range d.servers {
		if err := contains(ctx, "server "+s.name, s.all, "send from uart: "+spoken); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("all %d servers got its %d bytes, with the prefix, byte for byte", len(d.servers), len(spoken)), nil
}

func (d *demo) allAnswer() error {
	for _, s := range d.servers {
		if err := s.speak("set " + s.name); err != nil {
			return err
		}
	}
	return nil
}

// printed waits until the serial port printed each answer.
func (d *demo) printed(ctx context.Context) (string, error) {
	for _, s := range d.servers {
		if err := contains(ctx, "the serial port", d.uart.all, "recv from "+s.label+" server: set "+s.name+"\r\n"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("all %d answers were printed, with prefix and line end, byte for byte", len(d.servers)), nil
}

// contains waits until somebody got text.
func contains(ctx context.Context, who string, all func() string, text string) error {
	return until(ctx, 5*time.Second, func() error {
		if got := all(); !strings.Contains(got, text) {
			return fmt.Errorf("%s got %s, want %q", who, quoted([]byte(got)), text)
		}
		return nil
	})
}

// flowEvery is the pace of the program that sends.
const flowEvery = 10 * time.Millisecond

// amid does something while a program sends.
func (d *demo) amid(ctx context.Context, what func() error) error {
	d.flow = startFlow(ctx, d.program(), d.flowNext, flowEvery)
	if err := d.accepts(ctx, 20); err != nil {
		return err
	}
	d.began = time.Now()
	return what()
}

// program is the socket of programs on the gateway.
func (d *demo) program() string { return filepath.Join(d.dir, "program.sock") }

// accepts waits until the program was told so often more that its message is accepted.
func (d *demo) accepts(ctx context.Context, more int) error {
	want := d.flow.count() + more
	return until(ctx, 10*time.Second, func() error {
		if n := d.flow.count(); n < want {
			return fmt.Errorf("the program was told %d times that its message is accepted, want %d", n, want)
		}
		return nil
	})
}

// moved waits until all connections are on the uplink, and reads the gaps that
// the servers saw.
func (d *demo) moved(ctx context.Context, uplink string) (string, error) {
	if err := d.online(ctx, uplink); err != nil {
		return "", err
	}
	if err := d.accepts(ctx, 20); err != nil {
		return "", err
	}
	text, err := d.flowed(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range d.flowServers() {
		if gap := s.silence(d.began); gap > connGap {
			return "", fmt.Errorf("server %s heard nothing for %s, want at most %s", s.name, words(gap), words(connGap))
		}
	}
	return text, nil
}

// flowServers are the servers that the program's messages go to.
func (d *demo) flowServers() []*far { return []*far{d.server("tcp"), d.server("tls_ca")} }

// serverDies kills the server of tcp, lets the program send to nobody, and
// starts the server again. What is on its way when a server dies is a matter
// of its own: docs/delivery.md says what "confirmed" is worth then.
func (d *demo) serverDies(ctx context.Context) error {
	s := d.server("tcp")
	s.kill()
	d.say.line("lab", "the server of tcp is dead")
	if err := d.amid(ctx, func() error { return nil }); err != nil {
		return err
	}
	if err := d.accepts(ctx, 60); err != nil {
		return err
	}
	d.say.line("lab", "the server of tcp lives again, after %s", words(time.Since(d.began)))
	return s.start()
}

// flowed says how long the servers heard nothing, and that nothing was lost.
func (d *demo) flowed(ctx context.Context) (string, error) {
	if err := d.accepts(ctx, 20); err != nil {
		return "", err
	}
	text, err := d.nothingLost(ctx)
	for _, s := range d.flowServers() {
		text += fmt.Sprintf(", %s silent for %s", s.name, words(s.silence(d.began)))
	}
	return text, err
}

// nothingLost ends the program and demands that each server read, in order,
// what the program was told is accepted.
func (d *demo) nothingLost(ctx context.Context) (string, error) {
	accepted, next := d.endFlow()
	d.flowNext = next
	twice := 0
	for _, s := range d.flowServers() {
		var r receipts
		err := until(ctx, 10*time.Second, func() error {
			if r = compare(accepted, s.all()); r.missing > 0 {
				return fmt.Errorf("server %s did not get %d of %d accepted messages", s.name, r.missing, len(accepted))
			}
			return nil
		})
		if err == nil && !r.ordered {
			err = fmt.Errorf("server %s got the messages out of order", s.name)
		}
		if err != nil {
			return "", err
		}
		twice += r.twice
	}
	again := twice - d.twice
	d.twice = twice
	return fmt.Sprintf("%d messages accepted, all read in order by tcp and tls_ca (%d twice)", len(accepted), again), nil
}

// endFlow ends the program that sends, if there is one.
func (d *demo) endFlow() (accepted []int, next int) {
	if d.flow == nil {
		return nil, d.flowNext
	}
	accepted, next = d.flow.end()
	d.flow = nil
	return accepted, next
}
