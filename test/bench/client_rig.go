package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"luatnetd/internal/lab"
)

// lane is one connection of the daemon with the program that feeds it and the
// server that it talks to.
type lane struct {
	kind   string // "tcp", "tls" or "reply"
	port   int
	server *lab.Proc
	source *lab.Proc
	lives  int         // servers started so far
	unread map[int]int // bytes, by life: what its kernel held when it was killed
	newest int         // the last of the server's connections that a bench has looked at
}

// clientRig is the box with connections.
type clientRig struct {
	*rig
	self  string // this program
	files string
	pki   lab.PKI
	lanes []*lane
}

// laneText configures a lane. A message that does not fit is refused, so that
// no written rule drops one.
func laneText(l *lane, dir, extra string) string {
	text := fmt.Sprintf("[[connection]]\nname = %q\nhost = %q\nport = %d\nprefix_send = false\nframe_send = \"crlf\"\nreconnect = \"500ms\"\nreconnect_max = \"1s\"\n", l.kind, lab.WebAddr, l.port)
	switch l.kind {
	case "tls":
		text += "kind = \"tls\"\n" + extra + fmt.Sprintf("[connection.tls]\nca = %q\nserver_name = \"server.example\"\n", dir+"/ca.pem")
	case "reply":
		text += "confirmed = \"reply\"\nid = true\nframe_recv = \"delimiter\"\n" + extra +
			"[connection.reply]\npattern = \"ack {id}\"\n[connection.register]\nwhen = \"message\"\ntext = \"{id} \"\n"
	default:
		text += extra
	}
	return text + fmt.Sprintf("[connection.queue]\nfull = \"refuse\"\n[[local]]\nname = \"from-%s\"\npath = %q\n[[route]]\nfrom = [\"from-%s\"]\nto = [%q]\n",
		l.kind, filepath.Join(dir, l.kind+".sock"), l.kind, l.kind)
}

// newClientRig starts the daemon with one lane of each kind and their servers.
func newClientRig(opt options, extra string, kinds ...string) (*clientRig, error) {
	r, err := newRig(opt, false)
	if err != nil {
		return nil, err
	}
	c := &clientRig{rig: r, files: filepath.Join(r.dir, "files")}
	if err := c.prepare(extra, kinds); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *clientRig) prepare(extra string, kinds []string) (err error) {
	if c.self, err = os.Executable(); err != nil {
		return err
	}
	if err := os.Mkdir(c.files, 0o755); err != nil {
		return err
	}
	if c.pki, err = lab.NewPKI(c.files, "server.example", lab.WebAddr); err != nil {
		return err
	}
	text := uplinkText(1, "") + uplinkText(2, "") + lanText
	for i, kind := range kinds {
		l := &lane{kind: kind, port: 42001 + i, unread: map[int]int{}}
		c.lanes = append(c.lanes, l)
		text += laneText(l, c.files, extra)
		if err := c.serve(l); err != nil {
			return err
		}
	}
	if err := c.Write(text); err != nil {
		return err
	}
	return c.up()
}

// noted is the file of one life of a lane's server.
func (c *clientRig) noted(l *lane, life int) string {
	return filepath.Join(c.files, fmt.Sprintf("%s-%d.read", l.kind, life))
}

// serve starts a lane's server.
func (c *clientRig) serve(l *lane) (err error) {
	l.lives++
	args := []string{"role-server", fmt.Sprintf("%s:%d", lab.WebAddr, l.port), c.noted(l, l.lives), "note"}
	if l.kind == "reply" {
		args[3] = "answer"
	}
	if l.kind == "tls" {
		args = append(args, c.pki.ServerCert, c.pki.ServerKey)
	}
	l.server, err = c.Server.Start(nil, c.self, args...)
	return err
}

// feed starts a lane's program.
func (c *clientRig) feed(l *lane, rate int) (err error) {
	l.source, err = c.Gateway.Start(nil, c.self, "role-source", filepath.Join(c.files, l.kind+".sock"), c.accepted(l), fmt.Sprint(rate))
	return err
}

func (c *clientRig) accepted(l *lane) string { return filepath.Join(c.files, l.kind+".accepted") }

// kill is kill -9, and waits for the end.
func kill(p *lab.Proc) error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// unread is how many bytes the kernel holds for the connections of a server's
// port that it has not read: rx_queue of proc_net_tcp(5), listening sockets left out.
func unread(pid, port int) (sum int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return 0, err
	}
	const listening = "0A"
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || f[3] == listening || f[0] == "sl" {
			continue
		}
		if _, local, _ := strings.Cut(f[1], ":"); local != fmt.Sprintf("%04X", port) {
			continue
		}
		_, rx, _ := strings.Cut(f[4], ":")
		n, err := strconv.ParseInt(rx, 16, 64)
		if err != nil {
			return 0, fmt.Errorf("rx_queue of %q: %w", line, err)
		}
		sum += int(n)
	}
	return sum, nil
}

// size is how much a lane's server has noted in all its lives.
func (c *clientRig) size(l *lane) (sum int64) {
	for life := 1; life <= l.lives; life++ {
		if info, err := os.Stat(c.noted(l, life)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// flowing waits until every server has read something more.
func (c *clientRig) flowing(limit time.Duration) error {
	for _, l := range c.lanes {
		before := c.size(l)
		err := lab.Poll(limit, func() error {
			if c.size(l) == before {
				return fmt.Errorf("the server of %s reads nothing", l.kind)
			}
			return nil
		})
		if err != nil {
			out, _, _ := c.Ctl("connection", l.kind, "trace")
			return fmt.Errorf("%w; its trace ends: %s", err, tail(out, 3000))
		}
	}
	return nil
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// drain ends the programs and waits until every queue is empty.
func (c *clientRig) drain(limit time.Duration) error {
	for _, l := range c.lanes {
		if err := l.source.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-l.source.Done():
		case <-time.After(limit):
			return fmt.Errorf("the program that feeds %s does not end", l.kind)
		}
	}
	return lab.Poll(limit, func() error {
		list, err := c.API.Connections(context.Background())
		for _, s := range list {
			if err == nil && s.Queued > 0 {
				err = fmt.Errorf("%s has still %d messages: %s", s.Name, s.Queued, s.LastError)
			}
		}
		return err
	})
}

// verdict compares a lane's two sides.
func (c *clientRig) verdict(l *lane) (verdict, error) {
	accepted, err := readAccepted(c.accepted(l))
	if err != nil {
		return verdict{}, err
	}
	var got []receipt
	for life := 1; life <= l.lives; life++ {
		list, err := readReceipts(c.noted(l, life), life, l.kind == "reply")
		if err != nil {
			return verdict{}, err
		}
		got = append(got, list...)
	}
	return judge(accepted, got, l.unread), nil
}
