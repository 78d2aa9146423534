package data

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"luatnetd/modem"
)

// patience is for a machine under load: what is waited for comes at once.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv("DATA_TEST_DAEMON"); dir != "" {
		daemon(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// bench has stand-ins for the programs, and keeps what they were asked.
type bench struct {
	t   *testing.T
	env Env
	bin string
	log string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, bin: filepath.Join(dir, "bin"), log: filepath.Join(dir, "calls")}
	b.env = Env{
		Dir: filepath.Join(dir, "run"), Name: "gp", Sysfs: filepath.Join(dir, "sys"),
		Program: func(name string) (string, error) {
			path := filepath.Join(b.bin, name)
			_, err := os.Stat(path)
			return path, err
		},
		Link: func(netdev string, up bool) error {
			b.note("link " + netdev + map[bool]string{true: " up", false: " down"}[up])
			return nil
		},
	}
	if err := os.Mkdir(b.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) note(line string) {
	f, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(line + "\n"); err != nil {
		b.t.Fatal(err)
	}
}

// program installs a stand-in: a shell script, in which $LOG is where calls are kept.
func (b *bench) program(name, script string) {
	b.t.Helper()
	text := "#!/bin/sh\nLOG='" + b.log + "'\n" + script
	if err := os.WriteFile(filepath.Join(b.bin, name), []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// calls are what was asked and noted so far.
func (b *bench) calls() []string {
	text, _ := os.ReadFile(b.log)
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func (b *bench) plane(plan modem.DataPlan) Plane {
	b.t.Helper()
	p, err := New(plan, b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// start starts a plane whose session is stopped at the end of the test.
func (b *bench) start(plan modem.DataPlan) Plane {
	b.t.Helper()
	p := b.plane(plan)
	if err := p.Start(b.t.Context(), nil); err != nil {
		b.t.Fatal(err)
	}
	return p
}

func next(t *testing.T, p Plane) modem.DataChanged {
	t.Helper()
	select {
	case c, ok := <-p.Changes():
		if !ok {
			t.Fatal("the changes have ended")
		}
		return c
	case <-time.After(patience):
		t.Fatal("no change")
		return modem.DataChanged{}
	}
}

// closed waits until nothing more can come.
func closed(t *testing.T, p Plane) {
	t.Helper()
	select {
	case c, ok := <-p.Changes():
		if ok {
			t.Fatalf("one more change: %+v", c)
		}
	case <-time.After(patience):
		t.Fatal("the changes do not end")
	}
}

func stop(t *testing.T, p Plane) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}
