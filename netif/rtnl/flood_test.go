package rtnl

import (
	"bytes"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
	"luatnetd/netif"
	"luatnetd/router"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const flood = 20000

// pour adds 20,000 foreign routes through wan2, calls middle and deletes them.
func pour(t *testing.T, middle func()) {
	t.Helper()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	must(t, err)
	defer h.Close()
	link := index(t, "wan2")
	route := func(i int) *netlink.Route {
		return &netlink.Route{
			Dst:       &net.IPNet{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)), Mask: net.CIDRMask(32, 32)},
			LinkIndex: link, Scope: unix.RT_SCOPE_LINK, Protocol: unix.RTPROT_BGP,
		}
	}
	for i := range flood {
		must(t, h.RouteAdd(route(i)))
	}
	middle()
	for i := range flood {
		must(t, h.RouteDel(route(i)))
	}
}

func TestForeignRoutesCostNothing(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		_, isp1, _ := world(t)
		f := follow(t, Options{})
		f.calm(t)
		f.quiet(t, "start")
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		pour(t, func() {
			f.quiet(t, "20,000 foreign routes")
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 512<<10 {
				t.Errorf("heap grew by %d bytes with 20,000 foreign routes", grown)
			}
			kernel := announce(t)
			must(t, isp1.SetUp("eth0", false))
			took := kernel.delay(t, f, "wan1", false)
			t.Logf("carrier loss beside 20,000 routes seen %v after its announcement", took)
			if took > 100*time.Millisecond {
				t.Errorf("carrier loss seen %v after its announcement", took)
			}
			f.Refresh()
			took = f.settle(t, "full read with 20,000 routes")
			t.Logf("full read with 20,000 routes within %v", took)
		})
		f.settle(t, "end")
	})
}

func TestOverrunIsSurvived(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		_, isp1, _ := world(t)
		var log lines
		f := follow(t, Options{
			ReceiveBuffer: 4096, unfiltered: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		f.settle(t, "start")
		extra := defaultVia(t, "wan1", "192.0.2.254", 254, 10, router.Protocol)
		pour(t, func() {
			must(t, isp1.SetUp("eth0", false))
			must(t, netlink.RouteAdd(extra))
		})
		if took := f.settle(t, "after the flood"); took > 2*time.Second {
			t.Errorf("state right %v after the flood, want at most 2 s", took)
		} else {
			t.Logf("state right %v after the flood", took)
		}
		if !carrier("wan1", false)(f.last) || !slices.ContainsFunc(f.last.Routes, func(r netif.Route) bool { return r.Metric == 10 }) {
			t.Errorf("changes made during the flood are missing: %+v", f.last)
		}
		if !strings.Contains(log.String(), "notifications were lost") {
			t.Errorf("no overrun was forced; log: %s", log.String())
		}
		// The socket is alive after it.
		must(t, isp1.SetUp("eth0", true))
		f.wait(t, "carrier after an overrun", carrier("wan1", true))
	})
}
