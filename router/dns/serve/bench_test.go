package serve_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"luatnetd/internal/lab"
	"luatnetd/router/dns"
	"luatnetd/router/dns/serve"
)

// BenchmarkForwarder asks us and dnsmasq the same through the same wires, with
// 64 questions outstanding: cached names, and names asked for the first time.
func BenchmarkForwarder(b *testing.B) {
	if !lab.Inside() {
		b.Skip("needs namespaces")
	}
	for _, who := range []string{"own", "dnsmasq"} {
		for _, what := range []string{"hit", "miss"} {
			b.Run(who+"/"+what, func(b *testing.B) {
				w := newWorld(b)
				w.fastProvider()
				if who == "own" {
					s := w.serve(serve.Config{DNS: dns.Config{CacheBytes: 64 << 20}})
					s.SetUpstreams([]serve.Upstream{{Name: "wan", Device: "wan0", Source: viaA.Source, Servers: []netip.AddrPort{a1}}})
				} else {
					w.dnsmasq(b)
				}
				w.load(b, what == "hit")
			})
		}
	}
}

// dnsmasq runs dnsmasq as the router's forwarder.
func (w *world) dnsmasq(b *testing.B) {
	b.Helper()
	cmd := exec.Command("dnsmasq", "-k", "-C", "/dev/null", "--no-hosts", "--no-resolv", "--user=root", "--pid-file", "--bind-interfaces",
		"--listen-address=192.168.5.1", "--server=192.0.2.1@wan0", "--cache-size=10000", "--dns-forward-max=1000")
	if err := cmd.Start(); err != nil {
		b.Skipf("needs dnsmasq: %v", err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w.await("dnsmasq", func() bool {
		m, _, err := w.try(w.phone, lanAddr, "ready.example.com.", 300*time.Millisecond)
		return err == nil && address(m) != ""
	})
}

// fastProvider answers every question with one A record, as fast as it can.
func (w *world) fastProvider() {
	w.t.Helper()
	var pc *net.UDPConn
	w.ispA.MustDo(w.t, func() (err error) {
		pc, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(a1))
		return err
	})
	w.t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		record := []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 203, 0, 113, 5}
		for {
			n, from, err := pc.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			end := slices.Index(buf[12:n], 0) + 12 + 5
			buf[2], buf[3], buf[7], buf[11] = 0x81, 0x80, 1, 0
			_, _ = pc.WriteToUDPAddrPort(append(buf[:end:end], record...), from)
		}
	}()
}

// load asks b.N questions and reports the rate and the delays.
func (w *world) load(b *testing.B, hit bool) {
	const window = 64
	c := w.dial(w.phone, "udp", "192.168.5.1:53")
	template, err := new(miekg.Msg).SetQuestion("n00000000.example.com.", 1).Pack()
	if err != nil {
		b.Fatal(err)
	}
	var sent [1 << 16]time.Time
	var delays []time.Duration
	next := 0
	ask := func() {
		name := next
		if hit {
			name %= 100
		}
		binary.BigEndian.PutUint16(template, uint16(next))
		copy(template[13:], fmt.Sprintf("n%08d", name))
		sent[uint16(next)] = time.Now()
		next++
		if _, err := c.Write(template); err != nil {
			b.Fatal(err)
		}
	}
	buf := make([]byte, 1500)
	b.ResetTimer()
	for next < min(window, b.N) {
		ask()
	}
	lost := 0
	for done := 0; done < b.N; {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		n, err := c.Read(buf)
		if err != nil {
			lost += next - done // the rest of the window
			done = next
			for range min(window, b.N-next) {
				ask()
			}
			continue
		}
		if n > 20 && buf[3]&15 != 0 {
			b.Fatalf("rcode %d", buf[3]&15)
		}
		done++
		delays = append(delays, time.Since(sent[binary.BigEndian.Uint16(buf)]))
		if next < b.N {
			ask()
		}
	}
	b.StopTimer()
	slices.Sort(delays)
	if len(delays) > 0 {
		b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "p50-us")
		b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "p99-us")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
	b.ReportMetric(float64(lost), "lost")
}
