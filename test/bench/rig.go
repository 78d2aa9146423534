package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"luatnetd/internal/lab"
)

// Addresses of the servers that the meters talk to.
var (
	echoAddr = fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort)
	rpcAddr  = fmt.Sprintf("%s:%d", lab.WebAddr, lab.RPCPort)
)

// rig is the box with two static uplinks, one LAN and a client, running.
type rig struct {
	*lab.Box
	dir string
}

// uplinkText is one static uplink. Between rounds recover_after and hold_down
// are short, or most of the time would be waiting.
func uplinkText(n int, extra string) string {
	return fmt.Sprintf("[[uplink]]\nname = \"wan%d\"\nadapter = \"LWIP_USER%d\"\ndevice = \"wan%d\"\naddress = \"100.64.%d.2/24\"\ngateway = \"100.64.%d.1\"\n"+
		"[uplink.check]\ninterval = \"1s\"\ntimeout = \"500ms\"\nrecover_after = 1\nhold_down = \"0s\"\n%s\n", n, n, n, n, n, extra)
}

const lanText = "[[lan]]\nname = \"lan\"\nports = [\"lan1\"]\naddress = \"192.168.5.1/24\"\n"

// newRig builds and, unless the caller wants to do it later, starts the box.
func newRig(opt options, start bool) (*rig, error) {
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		return nil, err
	}
	b, err := lab.NewBox(dir, opt.binary, 2)
	if err != nil {
		return nil, err
	}
	r := &rig{Box: b, dir: dir}
	err = r.Write(uplinkText(1, "") + uplinkText(2, "") + lanText)
	if err == nil && start {
		err = r.up()
	}
	if err == nil {
		err = r.Client.AddAddr("eth0", "192.168.5.50/24")
	}
	if err == nil {
		err = r.Client.AddRoute("default", "192.168.5.1")
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rig) up() error {
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.Active(20*time.Second, "wan1", "wan1"); err != nil {
		return err
	}
	return r.Ready(20*time.Second, "wan1", "wan2")
}

func (r *rig) close() {
	r.Close()
	_ = os.RemoveAll(r.dir)
}

// clean fails when a provider saw a packet with a wrong source.
func (r *rig) foreign(bench string) (figure, error) {
	n, err := r.ForeignPackets()
	return count(bench+"-foreign-sources", "packets", int(n), 1, "0 packets with a private or foreign source", n == 0), err
}

// seen is what the three meters saw in one round.
type seen struct {
	udp    lab.UDPReport
	tcp    lab.TCPReport
	failed int // new connections
	late   int // those of them that began later than lateAfter
}

// lateAfter is how long after a fault new connections may still fail. The kernel
// needs about half a millisecond from the end of the cable to the flag of the
// route, and what it sends in that time is lost.
const lateAfter = 5 * time.Millisecond

// watch runs the meters around do: warm, then do, then settle.
func (r *rig) watch(warm, settle time.Duration, do func() error) (s seen, err error) {
	udp, err := r.Client.StartUDP(echoAddr, time.Millisecond)
	if err != nil {
		return s, err
	}
	tcp := r.Client.StartTCP(rpcAddr)
	conn := r.Client.StartConn(rpcAddr, 10*time.Millisecond)
	time.Sleep(warm)
	err = do()
	done := time.Now()
	time.Sleep(settle)
	for _, began := range conn.Stop().Failed {
		s.failed++
		if began.Sub(done) > lateAfter {
			s.late++
		}
	}
	s.tcp = tcp.Stop()
	s.udp = udp.Stop(100 * time.Millisecond)
	return s, err
}

// series is a number of rounds and of controls, made alternately so that both
// see the same machine.
type series struct {
	udp, tcp, controlUDP, controlTCP    []time.Duration
	clean, controlClean                 int // rounds without a failed new connection
	resets, timeouts, lost, controlLost int
	late                                int // failed new connections that began after the fault
}

func (s *series) add(v seen) {
	s.udp = append(s.udp, v.udp.Gap)
	s.tcp = append(s.tcp, v.tcp.Gap)
	s.resets += v.tcp.Resets
	s.timeouts += v.tcp.Timeouts
	s.lost += v.udp.Lost
	s.late += v.late
	if v.failed == 0 {
		s.clean++
	}
}

func (s *series) control(v seen) {
	s.controlUDP = append(s.controlUDP, v.udp.Gap)
	s.controlTCP = append(s.controlTCP, v.tcp.Gap)
	s.controlLost += v.udp.Lost
	if v.failed == 0 {
		s.controlClean++
	}
}

func nothing() error { return nil }

// cpu is the processor time that a process has used.
func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil // USER_HZ is 100
}
