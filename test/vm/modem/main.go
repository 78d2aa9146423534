// Command modem runs the scenes of USB modems in the VM: gadgets that this
// kernel itself is the host of, and the real drivers, pppd and uevents.
//
//	modem [SCENE[:PART]...]    prints ok and FAIL lines; its status says whether all held
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"luatnetd/test/vm/modem/gadget"
)

// limit is how long anything that is waited for may take.
const limit = 30 * time.Second

// scenes, in the order in which they run.
var scenes = []struct {
	name string
	run  func(*judge)
}{
	{"discovery", discovery}, {"levers", levers}, {"replug", replug}, {"ppp", ppp}, {"unit", unit},
	{"gateway", whole(gateway)}, {"killed", whole(killed)}, {"plugs", whole(plugs)}, {"trouble", whole(trouble)},
}

// whole is a scene of the whole daemon, whose binary lies beside us.
func whole(f func(*judge, *box)) func(*judge) {
	return func(j *judge) {
		if j.box == nil {
			var err error
			if j.box, err = newBox(j, "/job/luatnetd"); !j.ok("the world", err) {
				return
			}
		}
		f(j, j.box)
	}
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "ppp-daemon" {
		daemon(os.Args[2])
		return
	}
	if err := prepare(); err != nil {
		fmt.Println("FAIL prepare:", err)
		os.Exit(1)
	}
	j := &judge{start: time.Now()}
	for _, s := range scenes {
		if s.name == "unit" && len(os.Args) == 1 {
			continue // it needs systemd
		}
		if len(os.Args) > 1 && !slices.ContainsFunc(os.Args[1:], func(arg string) bool {
			name, only, _ := strings.Cut(arg, ":")
			j.only = only
			return name == s.name
		}) {
			continue
		}
		j.say("== %s", s.name)
		s.run(j)
	}
	for _, row := range j.rows {
		fmt.Println(row)
	}
	if j.fails > 0 {
		fmt.Println(j.fails, "FAIL")
		os.Exit(1)
	}
}

// prepare loads the host's drivers: there is no udevd to do that when
// something is plugged in, as on OpenWrt.
func prepare() error {
	return errors.Join(
		gadget.Run("modprobe", "-a", "libcomposite", "cdc_acm", "cdc_ether", "rndis_host", "cdc_ncm", "option", "ppp_async"),
		gadget.Run("modprobe", "dummy_hcd", "num=2"),
		os.MkdirAll("/run/ppp", 0o755))
}

// judge counts what does not hold.
type judge struct {
	start time.Time
	fails int
	told  int      // of fails
	rows  []string // of the table of what was measured
	only  string   // part of a scene, "" all
	box   *box     // nil until a scene needs it
}

// wants reports whether a part of a scene is to run.
func (j *judge) wants(part string) bool { return strings.Contains(part, j.only) }

func (j *judge) say(format string, args ...any) {
	fmt.Printf("[%6.2f] %s\n", time.Since(j.start).Seconds(), fmt.Sprintf(format, args...))
}

// ok says whether something holds, and returns it.
func (j *judge) ok(what string, err error) bool {
	if err != nil {
		j.fails++
		j.say("FAIL %s: %v", what, err)
		return false
	}
	j.say("ok   %s", what)
	return true
}

// descriptors are the open files of this process.
func descriptors() (list []string) {
	names, _ := filepath.Glob("/proc/self/fd/*")
	for _, n := range names {
		if to, err := os.Readlink(n); err == nil {
			list = append(list, to)
		}
	}
	slices.Sort(list)
	return list
}
