package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
)

// replace makes the daemon replace its ruleset again and again under load, by
// adding and removing a port forward.
func replace(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	n := opt.rounds(1000)
	base := uplinkText(1, "") + uplinkText(2, "") + lanText
	v, err := r.watch(200*time.Millisecond, 300*time.Millisecond, func() error {
		for i := range n {
			forward := fmt.Sprintf("[[port_forward]]\nproto = \"tcp\"\nport = %d\nto = \"192.168.5.50:80\"\n", 1024+i)
			if err := r.Write(base + forward); err != nil {
				return err
			}
			before, err := r.API.Status(context.Background())
			if err != nil {
				return err
			}
			if _, err := r.API.Post(context.Background(), "reload"); err != nil {
				return err
			}
			if err := lab.Poll(5*time.Second, func() error {
				d, err := r.API.Status(context.Background())
				if err == nil && d.Kernel.Seq <= before.Kernel.Seq {
					err = fmt.Errorf("not applied yet")
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []figure{
		count("replace-udp-lost", "packets", v.udp.Lost, n, "0 lost in 1,000 replacements", v.udp.Lost == 0),
		count("replace-tcp-ended", "sessions", v.tcp.Resets+v.tcp.Timeouts, n, "0 reset", v.tcp.Resets+v.tcp.Timeouts == 0),
	}, nil
}

// reorder swaps the uplinks in the file and reloads, under load.
func reorder(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	n := opt.rounds(20)
	v, err := r.watch(200*time.Millisecond, 500*time.Millisecond, func() error {
		for i := range n {
			a, b := 1+i%2, 2-i%2
			if err := r.Write(uplinkText(b, "") + uplinkText(a, "") + lanText); err != nil {
				return err
			}
			if _, err := r.API.Post(context.Background(), "reload"); err != nil {
				return err
			}
			if err := r.Active(10*time.Second, fmt.Sprintf("wan%d", b), fmt.Sprintf("wan%d", b)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ended := v.tcp.Resets + v.tcp.Timeouts
	return []figure{count("reorder-tcp-ended", "sessions", ended, n, "0 resets", ended == 0)}, nil
}

// overrun floods rtnetlink with foreign routes, cuts the cable in the middle
// and asks how soon the daemon's picture is right again.
func overrun(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	n := 20000
	var took []time.Duration
	for range opt.rounds(5) {
		if err := r.foreignRoutes(n, true); err != nil {
			return nil, err
		}
		if err := r.ISPs[0].Cut(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := r.foreignRoutes(n, false); err != nil {
			return nil, err
		}
		ended := time.Now()
		if err := r.Active(30*time.Second, "wan2", "wan2"); err != nil {
			return nil, err
		}
		took = append(took, max(time.Since(ended), 0))
		_ = began
		if err := r.recover(); err != nil {
			return nil, err
		}
	}
	f := summary("overrun-state-right", "ms", ms(took), nil)
	return []figure{f.judge("≤ 2 s after 20,000 route changes", f.Max <= 2000)}, nil
}

func (r *rig) foreignRoutes(n int, add bool) error {
	return r.Gateway.Do(func() error {
		l, err := netlink.LinkByName("wan2")
		if err != nil {
			return err
		}
		for i := range n {
			dst, err := netlink.ParseIPNet(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
			if err != nil {
				return err
			}
			rt := &netlink.Route{Dst: dst, LinkIndex: l.Attrs().Index, Table: 999, Scope: netlink.SCOPE_LINK}
			if add {
				err = netlink.RouteAdd(rt)
			} else {
				err = netlink.RouteDel(rt)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// idle measures a daemon that has nothing to do but its checks.
func idle(opt options) ([]figure, error) {
	r, err := newRig(opt, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	pid := r.Daemon.Cmd.Process.Pid
	time.Sleep(5 * time.Second)
	before, err := cpu(pid)
	if err != nil {
		return nil, err
	}
	window := 60 * time.Second
	if opt.quick {
		window = 10 * time.Second
	}
	forks, err := children(pid)
	if err != nil {
		return nil, err
	}
	time.Sleep(window)
	after, err := cpu(pid)
	if err != nil {
		return nil, err
	}
	share := 100 * (after - before).Seconds() / window.Seconds()
	rss, err := rssMiB(pid)
	if err != nil {
		return nil, err
	}
	now, err := children(pid)
	if err != nil {
		return nil, err
	}
	c := summary("idle-cpu", "% of a core", []float64{share}, nil)
	m := summary("idle-rss", "MiB", []float64{rss}, nil)
	return []figure{
		c.judge("< 1 % over 60 s", share < 1), m.judge("≤ 20 MiB", rss <= 20),
		count("idle-forks", "processes", now-forks, 1, "no fork", now == forks),
	}, nil
}

func rssMiB(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if kb, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(kb, "kB")), 64)
			return n / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}

// children counts the processes that a process has started and still has.
func children(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return len(strings.Fields(string(b))), err
}
