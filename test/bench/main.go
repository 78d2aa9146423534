// Command bench measures the real daemon in a virtual internet and prints one
// JSON line per figure. What it measures is seen by the client, the server and
// the providers, never taken from the daemon's own log; each figure stands
// beside a control, the same tool with nothing happening, from the same run.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"luatnetd/internal/lab"
)

// options of one run.
type options struct {
	binary string
	quick  bool
}

// rounds is full, or a fifth of it for bench-quick.
func (o options) rounds(full int) int {
	if o.quick {
		return max(full/5, 1)
	}
	return full
}

// benches in the order of docs/benchmarks.md.
var benches = []struct {
	name string
	run  func(options) ([]figure, error)
}{
	{"carrier-loss", carrierLoss},
	{"carrier-loss-stopped", carrierLossStopped},
	{"failback", failback},
	{"bump", bump},
	{"silent-death", silentDeath},
	{"dead-before-start", deadBeforeStart},
	{"flips", flips},
	{"replace", replace},
	{"overrun", overrun},
	{"reorder", reorder},
	{"renewals", renewals},
	{"mappings", mappings},
	{"idle", idle},
	{"queue-disk", queueDisk},
	{"queue-recover", queueRecover},
	{"chaos", chaos},
	{"client-flips", clientFlips},
	{"client-idle", clientIdle},
	{"client-ratio", clientRatio},
}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		exit(roles[os.Args[1]](os.Args[2:]))
	}
	only := flag.String("run", "", "run the benches whose name matches this expression")
	opt := options{}
	flag.BoolVar(&opt.quick, "quick", false, "a fifth of the rounds")
	flag.StringVar(&opt.binary, "luatnetd", "bin/luatnetd", "the daemon")
	keep := flag.String("results", "test/bench/results", "where results are kept, empty for nowhere")
	table := flag.String("table", "", "write the kept results as a table into this file and do nothing else")
	flag.Parse()
	if *table != "" {
		exit(writeTable(*keep, *table))
	}
	code, err := lab.Enter()
	if err != nil {
		exit(err)
	}
	if !lab.Inside() {
		os.Exit(code)
	}
	exit(runAll(opt, *only, *keep))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runAll(opt options, only, keep string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if opt.binary, err = filepath.Abs(opt.binary); err != nil {
		return err
	}
	if keep != "" {
		if err := os.MkdirAll(keep, 0o755); err != nil {
			return err
		}
	}
	missed := 0
	for _, b := range benches {
		if !match.MatchString(b.name) {
			continue
		}
		figures, err := attempt(b.run, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		for _, f := range figures {
			if !f.Held {
				missed++
			}
			if keep != "" && !opt.quick {
				if err := store(keep, f); err != nil {
					return err
				}
			}
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d figures missed their bar", missed)
	}
	return nil
}

// Rules of repetition: a control that is worse than noisy makes the run
// worthless, so it is made again; where n is small the median of three runs
// counts. Every run is printed.
const (
	noisy = 20 // ms, p99 of the control
	again = 2  // at most
	small = 50 // n below which three runs are made
	three = 3
)

// attempt runs a bench as often as the rules want and returns what counts.
func attempt(run func(options) ([]figure, error), opt options) ([]figure, error) {
	first, err := calm(run, opt)
	if err != nil || opt.quick || !few(first) {
		return first, err
	}
	runs := [][]figure{first}
	for len(runs) < three {
		next, err := calm(run, opt)
		if err != nil {
			return nil, err
		}
		runs = append(runs, next)
	}
	return medians(runs), nil
}

// calm runs a bench, again while its control is noisy, and prints each run.
func calm(run func(options) ([]figure, error), opt options) ([]figure, error) {
	for i := 0; ; i++ {
		figures, err := run(opt)
		if err != nil {
			return nil, err
		}
		worst := 0.0
		for k := range figures {
			f := &figures[k]
			f.Date, f.Load, f.Runs = time.Now().UTC().Format(time.RFC3339), load(), 1
			worst = max(worst, f.ControlP99)
			if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
				return nil, err
			}
		}
		if worst <= noisy || i == again || opt.quick {
			return figures, nil
		}
	}
}

// store keeps a figure as one line.
func store(dir string, f figure) error {
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, f.Bench+".json"), append(line, '\n'), 0o644)
}

// load is the machine's load average over a minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return string(b[:min(len(b), 4)])
}
