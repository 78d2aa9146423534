package modem

import (
	"flag"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	simDays = flag.Int("modem.days", 30, "modem-days of the simulation")
	simSeed = flag.Uint64("modem.seed", 0, "first seed of the simulation")
)

var loadProfiles = sync.OnceValues(func() (Profiles, error) { return LoadProfiles("", nil) })

func simProfiles(t testing.TB) Profiles {
	t.Helper()
	ps, err := loadProfiles()
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func quectel() Device {
	return Device{Path: "usb1/1-2", VID: 0x2c7c, PID: 0x0125,
		Ports: []Port{{Path: "/dev/ttyUSB0", Interface: 0}, {Path: "/dev/ttyUSB1", Interface: 1}, {Path: "/dev/ttyUSB2", Interface: 2}, {Path: "/dev/ttyUSB3", Interface: 3}},
		Nets:  []Net{{Name: "usb0", Interface: 4, Driver: "cdc_ether"}}}
}

func air780() Device {
	return Device{Path: "usb1/1-3", VID: 0x19d1, PID: 0x0001, Product: "AirM2M Compo",
		Ports: []Port{{Path: "/dev/ttyACM0", Interface: 2}, {Path: "/dev/ttyACM1", Interface: 4}, {Path: "/dev/ttyACM2", Interface: 6}},
		Nets:  []Net{{Name: "usb0", Interface: 0, Driver: "rndis_host"}}}
}

func TestStartsAndStays(t *testing.T) {
	for _, self := range []bool{true, false} {
		rng := rand.New(rand.NewPCG(1, 2))
		d := newToy(rng)
		d.self = self
		device := quectel()
		if self {
			device = air780()
		}
		h := newHost(rng, d, simProfiles(t), Settings{}, device)
		if !h.until(20*time.Second, h.online) {
			t.Fatalf("not online:\n%s\n%+v", strings.Join(h.log, "\n"), h.m.Status(h.now()))
		}
		t.Logf("self %v: online after %v, %d commands", self, h.abs, len(h.seen.commands))
		h.run(time.Hour)
		n := len(h.seen.commands)
		start := time.Now()
		h.run(24 * time.Hour)
		t.Logf("a day: %d commands in %v; saves %d", len(h.seen.commands)-n, time.Since(start), len(h.saves))
		if !h.online() {
			t.Fatalf("not online any more:\n%s", strings.Join(h.log, "\n"))
		}
	}
}
