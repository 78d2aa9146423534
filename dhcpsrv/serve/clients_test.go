package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// The clients of other people against our server: get, renew, release, and
// INIT-REBOOT with a server that was killed and started again in between.

// script is a hook for udhcpc and dhclient: it sets the address, so that a
// renewal is unicast from it, and writes down what the server said.
const script = `#!/bin/sh
out=$(dirname "$0")/said
case "$1$reason" in
bound*|renew*|*BOUND|*RENEW|*REBIND|*REBOOT)
	addr=${ip:-$new_ip_address}
	ip addr flush dev eth0
	ip addr add $addr/24 broadcast 192.168.5.255 dev eth0
	echo "$1$reason $addr router=${router:-$new_routers} dns=${dns:-$new_domain_name_servers} domain=${domain:-$new_domain_name} lease=${lease:-$new_dhcp_lease_time}" >> $out ;;
deconfig*|*EXPIRE|*RELEASE|*PREINIT|*STOP)
	ip link set eth0 up
	ip addr flush dev eth0 ;;
nak*) echo "nak" >> $out ;;
esac
exit 0
`

// program returns a program's path or skips, with the reason.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
	return path
}

func hook(t *testing.T) (path string, said func() string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "hook")
	must(t, os.WriteFile(path, []byte(script), 0o755))
	return path, func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "said"))
		return string(b)
	}
}

// withClient runs f with a router, its server and an empty client namespace.
func withClient(t *testing.T, name string, f func(t *testing.T, s *server, router, client *lab.NS, cfg setup)) {
	t.Parallel() // most of it is waiting for the clients' own timers
	lab.Run(t, func(t *testing.T) {
		program(t, name)
		router, client := lan(t)
		cfg := lanConfig(t.TempDir())
		f(t, start(t, router, cfg).listening(), router, client, cfg)
	})
}

func run(t *testing.T, ns *lab.NS, name string, args ...string) *lab.Proc {
	t.Helper()
	p, err := ns.Start(nil, name, args...)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, p.Output())
		}
	})
	return p
}

const wantSaid = "router=192.168.5.1 dns=192.168.5.1 domain=lan lease=3600"

func TestUdhcpc(t *testing.T) {
	withClient(t, "busybox", func(t *testing.T, s *server, router, client *lab.NS, cfg setup) {
		path, said := hook(t)
		p := run(t, client, "busybox", "udhcpc", "-f", "-R", "-i", "eth0", "-s", path, "-t", "5", "-T", "1", "-x", "hostname:Box")
		e := s.event("bound", "")
		a := e.Addr.String()
		until(t, "udhcpc has its address", 5*time.Second, func() bool { return strings.Contains(said(), "bound "+a+" "+wantSaid) })
		if l := s.leases()[a]; l.Hostname != "box" {
			t.Errorf("lease %+v", l)
		}
		must(t, p.Signal(syscall.SIGUSR1))
		s.event("renewed", a)
		until(t, "udhcpc knows of the renewal", 5*time.Second, func() bool { return strings.Contains(said(), "renew "+a) })
		must(t, p.Signal(syscall.SIGTERM))
		s.event("released", a)
		// The same client gets the same address, at once since it is known.
		begin := time.Now()
		run(t, client, "busybox", "udhcpc", "-q", "-n", "-i", "eth0", "-s", path)
		until(t, "a second lease", 5*time.Second, func() bool { return s.count("bound") == 2 })
		t.Logf("a known client is bound %v after its start", time.Since(begin).Round(time.Millisecond))
		if got := s.leases()[a]; got.State != "bound" {
			t.Errorf("the second lease is another one: %+v", s.leases())
		}
		if strings.Contains(said(), "nak") {
			t.Errorf("udhcpc was refused: %s", said())
		}
	})
}

func TestDhclient(t *testing.T) {
	withClient(t, "dhclient", func(t *testing.T, s *server, router, client *lab.NS, cfg setup) {
		path, said := hook(t)
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "conf"), []byte("timeout 10; retry 1; initial-interval 1;\n"+
			`send host-name "lap top"; request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, host-name;`+"\n"), 0o644))
		args := []string{"-4", "-d", "-v", "-1", "-cf", filepath.Join(dir, "conf"), "-lf", filepath.Join(dir, "leases"),
			"-pf", filepath.Join(dir, "pid"), "-sf", path}
		p := run(t, client, "dhclient", append(args, "eth0")...)
		a := s.event("bound", "").Addr.String()
		until(t, "dhclient has its address", 5*time.Second, func() bool { return strings.Contains(said(), "BOUND "+a+" "+wantSaid) })
		if l := s.leases()[a]; l.Hostname != "lap-top" {
			t.Errorf("lease %+v", l)
		}
		// INIT-REBOOT: both are killed, both come back.
		p.Kill()
		s.proc.Kill()
		s = start(t, router, cfg).listening()
		p = run(t, client, "dhclient", append(args, "eth0")...)
		s.event("renewed", a)
		until(t, "dhclient is rebooted", 5*time.Second, func() bool { return strings.Contains(said(), "REBOOT "+a) })
		if strings.Contains(p.Output(), "DHCPDISCOVER") || strings.Contains(p.Output(), "DHCPNAK") {
			t.Errorf("INIT-REBOOT took more than one exchange:\n%s", p.Output())
		}
		p.Kill()
		run(t, client, "dhclient", append([]string{"-r"}, append(args, "eth0")...)...)
		s.event("released", a)
	})
}

// TestDhclientRenews waits for a real RENEWING, by unicast at T1.
func TestDhclientRenews(t *testing.T) {
	t.Parallel()
	lab.Run(t, func(t *testing.T) {
		program(t, "dhclient")
		router, client := lan(t)
		cfg := lanConfig(t.TempDir())
		cfg.Lease = 8 * time.Second
		s := start(t, router, cfg).listening()
		path, said := hook(t)
		dir := t.TempDir()
		run(t, client, "dhclient", "-4", "-d", "-v", "-cf", "/dev/null", "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"),
			"-sf", path, "eth0")
		a := s.event("bound", "").Addr.String()
		s.event("renewed", a)
		until(t, "dhclient knows of the renewal", 5*time.Second, func() bool { return strings.Contains(said(), "RENEW "+a) })
		if s.count("refused")+s.count("expired") > 0 {
			t.Errorf("refused %d, expired %d", s.count("refused"), s.count("expired"))
		}
	})
}

func TestDhcpcd(t *testing.T) {
	withClient(t, "dhcpcd", func(t *testing.T, s *server, router, client *lab.NS, cfg setup) {
		path := program(t, "dhcpcd")
		conf := filepath.Join(t.TempDir(), "conf")
		must(t, os.WriteFile(conf, []byte("ipv4only\nclientid\nhostname tablet\noption domain_name_servers, domain_name, interface_mtu\nnohook resolv.conf\n"), 0o644))
		// Its state directory is not one that the lab hides: an empty one on
		// top, in the mount namespace of that program.
		dhcpcd := func(args string) *lab.Proc {
			return run(t, client, "sh", "-c", "mkdir -p /var/lib/dhcpcd && mount -t tmpfs none /var/lib/dhcpcd && exec "+path+" -f "+conf+" -4 "+args+" eth0")
		}
		p := dhcpcd("-B -d")
		a := s.event("bound", "").Addr.String()
		until(t, "dhcpcd has its address", 15*time.Second, func() bool {
			return strings.Contains(client.MustRun(t, "ip", "-4", "addr", "show", "dev", "eth0"), a)
		})
		if l := s.leases()[a]; l.Hostname != "tablet" || l.ClientID == "" {
			t.Errorf("lease %+v", l)
		}
		must(t, p.Signal(syscall.SIGALRM)) // what dhcpcd -k sends
		s.event("released", a)
		<-p.Done()
		p = dhcpcd("-B -d") // dhcpcd 9.4 sees no second signal after a SIGHUP: a process for each
		until(t, "the same address again", 10*time.Second, func() bool { return s.count("bound") == 2 && s.leases()[a].State == "bound" })
		until(t, "dhcpcd is done", 15*time.Second, func() bool { return strings.Contains(p.Output(), "leased "+a) })
		dhcpcd("-n")
		s.event("renewed", a)
		if strings.Contains(p.Output(), "NAK") || s.count("refused") > 0 {
			t.Errorf("dhcpcd was refused")
		}
	})
}
