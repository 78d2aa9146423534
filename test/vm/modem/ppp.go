package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"luatnetd/modem"
	"luatnetd/modem/data"
	"luatnetd/test/vm/modem/gadget"
)

// The network behind the modem: a pppd of its own, in its namespace. It wants a
// password.
const (
	network  = "core"
	password = `hu"nter\2 `
)

var pppPlan = modem.DataPlan{
	Kind: modem.DataPPP, Netdev: "wwan0",
	Settings: modem.DataAccess{APN: "internet", User: "me", Password: password, Auth: "chap", PDPType: "IP"},
}

var pppEnv = data.Env{Dir: "/run/luatnetd/modem", Name: "gp"}

// call is a call that has been dialled: the modem's end and ours.
type call struct {
	far  *exec.Cmd
	tty  string // ours
	port *os.File
}

// dial starts the network's pppd at the modem's end.
func dial(g *gadget.Gadget, tty string) (*call, error) {
	end, err := os.OpenFile(g.TTYs()[0], os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = end.Close() }()
	if _, err := term.MakeRaw(int(end.Fd())); err != nil {
		return nil, err
	}
	c := &call{tty: tty}
	c.far = exec.Command("ip", "netns", "exec", network, "pppd", "notty", "nodetach", "local", "nolock", "noccp", "novj", "noipv6",
		"auth", "require-chap", "lcp-max-terminate", "1", "ms-dns", "10.1.1.1", "ms-dns", "10.1.1.2", "10.64.64.1:10.64.64.2")
	c.far.Stdin, c.far.Stdout = end, end
	if err := c.far.Start(); err != nil {
		return nil, err
	}
	c.port, err = os.OpenFile(tty, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err == nil {
		_, err = term.MakeRaw(int(c.port.Fd()))
	}
	return c, err
}

// hangUp ends the network's pppd.
func (c *call) hangUp() {
	_ = c.far.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { _ = c.far.Process.Kill() })
	_ = c.far.Wait()
	kill.Stop()
	_ = c.port.Close()
}

// change waits for the next change of a plane.
func change(p data.Plane) (modem.DataChanged, error) {
	select {
	case c, ok := <-p.Changes():
		if !ok {
			return c, errors.New("the changes have ended")
		}
		return c, nil
	case <-time.After(2 * limit):
		return modem.DataChanged{}, errors.New("no change")
	}
}

// up waits for the addresses.
func up(p data.Plane) error {
	c, err := change(p)
	if err != nil {
		return err
	}
	b := c.Bearer
	dns := []netip.Addr{netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")}
	if !c.Up || c.Netdev != "wwan0" || b.Addr4.String() != "10.64.64.2" || b.Gateway4.String() != "10.64.64.1" || !slices.Equal(b.DNS, dns) {
		return fmt.Errorf("%+v", c)
	}
	return nil
}

// ended waits for the end, which must have that cause.
func ended(p data.Plane, want modem.DataCause) error {
	c, err := change(p)
	if err == nil && (c.Up || c.Cause != want) {
		err = fmt.Errorf("%+v, want %q", c, want)
	}
	return err
}

// pppd is the process of our session.
func pppd() (pid int) {
	b, _ := os.ReadFile(filepath.Join(pppEnv.Dir, "gp.ppp.session"))
	_, rest, _ := strings.Cut(string(b), `"PID":`)
	n, _, _ := strings.Cut(rest, ",")
	pid, _ = strconv.Atoi(n)
	return pid
}

// ping sends packets through the session; all must come back.
func ping(args ...string) *exec.Cmd {
	return exec.Command("ping", append([]string{"-q", "-I", "wwan0", "-W", "5", "10.64.64.1"}, args...)...)
}

func heard(out []byte, err error) error {
	if err != nil || !strings.Contains(string(out), " 0% packet loss") {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// ppp: a call over a USB modem's port by the real pppd, and each way it can end.
func ppp(j *judge) {
	w := watching()
	defer w.end()
	s := gadget.Air780E
	s.Functions = []gadget.Function{gadget.ACM, gadget.ACM}
	g, err := gadget.New("m1", s, gadget.Dummy(0))
	err = errors.Join(err, gadget.Run("ip", "netns", "add", network), gadget.Run("ip", "-n", network, "link", "set", "lo", "up"),
		os.WriteFile("/etc/ppp/chap-secrets", []byte(`me * "hu\"nter\\2 " *`+"\n"), 0o600))
	if !j.ok("made", err) {
		return
	}
	const shape = "19d1:0001 tty 0 2 cdc_acm"
	j.ok("plugged in", errors.Join(g.Plug(), w.wants(shape)))
	before := resolvConf()
	start := func(what string, plan modem.DataPlan) (data.Plane, *call) {
		c, err := dial(g, w.last[0].Ports[0].Path)
		if !j.ok(what+": dialled", err) {
			return nil, nil
		}
		p, err := data.New(plan, pppEnv)
		if err == nil {
			err = p.Start(context.Background(), c.port)
		}
		if !j.ok(what+": pppd runs", err) {
			c.hangUp()
			return nil, nil
		}
		return p, c
	}
	stops(j, start)
	outlives(j, g, w.last[0].Ports[0].Path)
	ends(j, start)

	if p, c := start("unplugged", pppPlan); p != nil {
		j.ok("unplugged: up", up(p))
		at := time.Now()
		j.ok("unplugged", g.Unplug())
		j.ok("unplugged: ended as the peer's end", ended(p, modem.DataPeer))
		j.say("     after %v", time.Since(at).Round(time.Millisecond))
		c.hangUp()
	}
	err = nil
	if now := resolvConf(); now != before {
		err = fmt.Errorf("it was %q and is %q", before, now)
	}
	j.ok("the system's resolv.conf is as it was", err)
	j.ok("removed", g.Remove())
}

func resolvConf() string {
	b, _ := os.ReadFile("/etc/resolv.conf")
	return string(b)
}

type starter func(what string, plan modem.DataPlan) (data.Plane, *call)

// stops: a call that we end; the password is nowhere to be seen.
func stops(j *judge, start starter) {
	at := time.Now()
	p, c := start("stopped", pppPlan)
	if p == nil {
		return
	}
	if j.ok("stopped: up, with addresses and DNS", up(p)) {
		j.say("     %v after the start", time.Since(at).Round(time.Millisecond))
	}
	j.ok("stopped: packets flow", heard(ping("-c", "3", "-i", "0.2").CombinedOutput()))
	out, err := exec.Command("ip", "route", "show", "default").CombinedOutput()
	if len(out) > 0 {
		err = fmt.Errorf("%s", out)
	}
	j.ok("stopped: no default route was made", err)
	argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pppd()))
	log, errLog := os.ReadFile(filepath.Join(pppEnv.Dir, "gp.ppp.log"))
	if err = errors.Join(err, errLog); err == nil && strings.Contains(string(argv)+string(log), `nter\2`) {
		err = fmt.Errorf("%q\n%s", argv, log)
	}
	j.ok("stopped: no password in ps, nor in the log", err)
	pid := pppd()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	j.ok("stopped", errors.Join(p.Stop(ctx), ended(p, modem.DataAsked)))
	err = nil
	if syscall.Kill(pid, 0) == nil {
		err = fmt.Errorf("pppd %d is still there", pid)
	}
	j.ok("stopped: pppd is gone", err)
	c.hangUp()
}

// outlives: the daemon is killed under traffic, the next one adopts the session.
func outlives(j *judge, g *gadget.Gadget, tty string) {
	c, err := dial(g, tty)
	if !j.ok("killed: dialled", err) {
		return
	}
	defer c.hangUp()
	child := exec.Command("/proc/self/exe", "ppp-daemon", tty)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if !j.ok("killed: the daemon runs", err) {
		return
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "up\n" {
		err = fmt.Errorf("it said %q, %w", line, err)
	} else {
		err = nil
	}
	j.ok("killed: up", err)
	pid := pppd()
	result := make(chan error, 1)
	go func() { result <- heard(ping("-c", "40", "-i", "0.05").CombinedOutput()) }()
	time.Sleep(500 * time.Millisecond) // under traffic
	_ = child.Process.Kill()
	_ = child.Wait()
	p, err := data.New(pppPlan, pppEnv)
	if err == nil && !p.Adopt(context.Background()) {
		err = errors.New("not adopted")
	}
	if !j.ok("killed: the session is adopted", err) {
		return
	}
	j.ok("killed: addresses and DNS are known", up(p))
	j.ok("killed: no packet was lost", <-result)
	err = nil
	if pppd() != pid {
		err = fmt.Errorf("pppd %d was %d", pppd(), pid)
	}
	j.ok("killed: it is the same pppd", err)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	j.ok("killed: stopped", errors.Join(p.Stop(ctx), ended(p, modem.DataAsked)))
}

// daemon is what outlives kills and unit restarts: it adopts, or else starts.
func daemon(tty string) {
	port, err := os.OpenFile(tty, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	p, errNew := data.New(pppPlan, pppEnv)
	if err = errors.Join(err, errNew); err == nil && !p.Adopt(context.Background()) {
		err = p.Start(context.Background(), port)
	}
	if err == nil {
		err = up(p)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("up")
	select {}
}

// ends: what the other side, or our own settings, put an end to.
func ends(j *judge, start starter) {
	if p, c := start("hung up", pppPlan); p != nil {
		j.ok("hung up: up", up(p))
		_ = c.far.Process.Signal(syscall.SIGTERM) // not its charshunt, which carries the last words
		j.ok("hung up: as the peer's end", ended(p, modem.DataPeer))
		c.hangUp()
	}
	if p, c := start("silent", pppPlan); p != nil {
		j.ok("silent: up", up(p))
		_ = exec.Command("sh", "-c", "kill -STOP $(ip netns pids "+network+")").Run()
		at := time.Now()
		j.ok("silent: no echo", ended(p, modem.DataNoEcho))
		j.say("     after %v", time.Since(at).Round(time.Millisecond))
		_ = exec.Command("sh", "-c", "kill -KILL $(ip netns pids "+network+")").Run()
		c.hangUp()
	}
	wrong := pppPlan
	wrong.Settings.Password = "wrong"
	if p, c := start("wrong password", wrong); p != nil {
		j.ok("wrong password: authentication", ended(p, modem.DataAuth))
		c.hangUp()
	}
	none := pppPlan
	none.Settings.User, none.Settings.Password = "", ""
	if p, c := start("no password", none); p != nil {
		j.ok("no password: authentication", ended(p, modem.DataAuth))
		c.hangUp()
	}
}
