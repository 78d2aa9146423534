package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"luatnetd/modem/data"
	"luatnetd/test/vm/modem/gadget"
)

const unitFile = "/run/systemd/system/luatnetd.service"

// unit: pppd comes up inside of what the shipped unit locks up, and outlives
// the daemon's death and stop. It needs systemd, and the unit's file beside us.
func unit(j *judge) {
	w := watching()
	defer w.end()
	s := gadget.Air780E
	s.Functions = []gadget.Function{gadget.ACM, gadget.ACM}
	g, err := gadget.New("m1", s, gadget.Dummy(0))
	_ = gadget.Run("ip", "netns", "add", network)
	err = errors.Join(err, os.WriteFile("/etc/ppp/chap-secrets", []byte(`me * "hu\"nter\\2 " *`+"\n"), 0o600), g.Plug(), w.wants("19d1:0001 tty 0 2 cdc_acm"))
	if !j.ok("plugged in", err) {
		return
	}
	tty := w.last[0].Ports[0].Path
	c, err := dial(g, tty)
	if err == nil {
		err = installUnit(tty)
	}
	if !j.ok("dialled, and the unit is there", err) {
		return
	}
	defer c.hangUp()
	j.ok("started", gadget.Run("systemctl", "start", "luatnetd"))
	defer func() {
		_ = os.Remove(unitFile)
		_ = gadget.Run("systemctl", "daemon-reload")
	}()
	if !j.ok("up, in the unit", flows(30)) {
		out, _ := exec.Command("journalctl", "-u", "luatnetd", "--no-pager").CombinedOutput()
		log, _ := os.ReadFile(pppEnv.Dir + "/gp.ppp.log")
		fmt.Printf("%s%s", out, log)
		return
	}
	pid := pppd()
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err == nil && !strings.Contains(string(cgroup), "luatnetd.service") {
		err = fmt.Errorf("%s", cgroup)
	}
	j.ok("pppd is in the unit's group", err)
	for _, way := range [][]string{{"kill", "-s", "KILL", "--kill-who=main", "luatnetd"}, {"restart", "luatnetd"}, {"stop", "luatnetd"}} {
		err := gadget.Run("systemctl", way...)
		if err == nil {
			err = flows(1)
		}
		if err == nil && pppd() != pid {
			err = fmt.Errorf("pppd %d was %d", pppd(), pid)
		}
		j.ok("pppd outlives systemctl "+way[0], err)
	}
	p, err := data.New(pppPlan, pppEnv)
	if err == nil && !p.Adopt(context.Background()) {
		err = errors.New("not adopted")
	}
	if j.ok("adopted", err) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		j.ok("up", up(p))
		j.ok("stopped", p.Stop(ctx))
	}
	err = nil
	if syscall.Kill(pid, 0) == nil {
		err = fmt.Errorf("pppd %d is still there", pid)
	}
	j.ok("pppd is gone", err)
	j.ok("removed", g.Remove())
}

// installUnit installs the shipped unit, whose daemon is us.
func installUnit(tty string) error {
	b, err := os.ReadFile("luatnetd.service")
	if err != nil {
		return err
	}
	me, err := os.Executable()
	if err != nil {
		return err
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		switch key, _, _ := strings.Cut(line, "="); key {
		case "Type":
			line = "Type=exec\n"
		case "ExecStart":
			line = "ExecStart=" + me + " ppp-daemon " + tty + "\n"
		case "ExecReload", "WatchdogSec", "WatchdogSignal", "Restart", "RestartSec":
			continue
		}
		lines = append(lines, line)
	}
	return errors.Join(os.WriteFile(unitFile, []byte(strings.Join(lines, "")), 0o644), gadget.Run("systemctl", "daemon-reload"))
}

// flows waits until packets flow, for as many tries.
func flows(tries int) (err error) {
	for range tries {
		if err = heard(ping("-c", "3", "-i", "0.2").CombinedOutput()); err == nil {
			return nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return err
}
