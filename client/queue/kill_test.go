package queue

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"luatnetd/client"
)

// TestLC04Kill kills a process with SIGKILL while it puts and finishes
// messages. What it had told on its standard output is the truth: accepted and
// not done is there, in order, done is not.
func TestLC04Kill(t *testing.T) {
	if dir := os.Getenv("QUEUE_TEST_DIR"); dir != "" {
		putForEver(dir, Mode(os.Getenv("QUEUE_TEST_MODE")))
	}
	for _, mode := range []Mode{RunOnly, Spill, OnDisk} {
		t.Run(string(mode), func(t *testing.T) {
			dir := t.TempDir()
			for round := range 5 {
				accepted, done := killed(t, dir, mode, 50+150*round)
				q, _ := Open(killConfig(dir, mode))
				have := map[uint64]bool{}
				for _, m := range readAllMessages(q) {
					have[m.Seq] = true
					if want := fmt.Sprint("m", m.Seq); string(m.Data) != want {
						t.Fatalf("%d holds %q", m.Seq, m.Data)
					}
				}
				for _, seq := range accepted {
					// The last result may have been written and not told.
					if seq > done+1 && !have[seq] {
						t.Errorf("round %d: %d was accepted and is lost, done %d", round, seq, done)
					}
					if seq <= done && have[seq] {
						t.Errorf("round %d: %d was done and is back, done %d", round, seq, done)
					}
				}
				q.Done(q.Stats().LastSeq)
				_ = q.Close()
			}
		})
	}
}

func killConfig(dir string, mode Mode) Config {
	return Config{Run: filepath.Join(dir, "run"), Disk: filepath.Join(dir, "disk"), Mode: mode, SegmentSize: 500, SpillAfter: 5 * time.Millisecond}
}

// putForEver tells each thing after it has happened: "p 7" accepted, "d 6" done.
func putForEver(dir string, mode Mode) {
	q, _ := Open(killConfig(dir, mode))
	for i := 1; ; i++ {
		m, _, err := q.Put(client.Message{Data: fmt.Append(nil, "m", q.Stats().LastSeq+1)})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("p", m.Seq)
		if i%2 == 0 { // every second one: the backlog grows
			seq := q.Read(0, 1, 1)[0].Seq
			q.Done(seq)
			fmt.Println("d", seq)
		}
	}
}

// killed runs the process until it has told so many lines and kills it.
func killed(t *testing.T, dir string, mode Mode, lines int) (accepted []uint64, done uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLC04Kill$")
	cmd.Env = append(os.Environ(), "QUEUE_TEST_DIR="+dir, "QUEUE_TEST_MODE="+string(mode))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		what, num, _ := strings.Cut(in.Text(), " ")
		var seq uint64
		if _, err := fmt.Sscan(num, &seq); err != nil {
			t.Fatalf("child: %s", in.Text())
		}
		if what == "p" {
			accepted = append(accepted, seq)
		} else {
			done = seq
		}
		if n == lines {
			_ = cmd.Process.Kill() // it goes on telling until the signal arrives
		}
	}
	_ = cmd.Wait()
	if len(accepted) < lines/2 {
		t.Fatalf("child told %d messages", len(accepted))
	}
	return accepted, done
}
