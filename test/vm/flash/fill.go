package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"luatnetd/client"
	"luatnetd/client/queue"
)

const (
	big  = 3000 // bytes of a message when the flash is to be filled
	more = 100  // messages that are put while it is full
)

// filler is a queue on a flash that gets full.
type filler struct {
	q    *queue.Queue
	next uint64 // the number of the next message
	done uint64 // what was taken out
}

// fill puts messages until the flash is full and the queue falls back to run,
// makes room, sees it go back to flash, and once more with room that the queue
// makes itself by removing what is done. Nothing accepted is lost or changed.
func fill(cfg queue.Config, fillerFile string) error {
	f := &filler{next: 1}
	dropped := 0
	cfg.OnDrop = func(client.Message, string) { dropped++ }
	cfg.Retry = 2 * time.Second // in place of a minute
	f.q, _ = queue.Open(cfg)
	rooms := []func() error{
		func() error { return os.Remove(fillerFile) },
		func() error { f.take((f.next - f.done) / 2); return nil },
	}
	for _, room := range rooms {
		if err := f.untilFull(); err != nil {
			return err
		}
		if err := room(); err != nil {
			return err
		}
		if err := f.untilWell(cfg.Mode); err != nil {
			return err
		}
	}
	if err := f.compare(); err != nil {
		return err
	}
	if dropped > 0 {
		return fmt.Errorf("%d messages were dropped", dropped)
	}
	return f.q.Close()
}

func (f *filler) put() (client.Held, error) {
	m, held, err := f.q.Put(message(f.next, big))
	if err != nil || m.Seq != f.next {
		return held, fmt.Errorf("put %d: got number %d: %v", f.next, m.Seq, err)
	}
	f.next++
	return held, nil
}

// untilFull puts until the flash refuses, and some more.
func (f *filler) untilFull() error {
	first := f.next
	for f.q.Stats().Health == "" {
		if _, err := f.put(); err != nil {
			return err
		}
		if f.next-first > 100_000 {
			return fmt.Errorf("%d messages of %d bytes fit", f.next-first, big)
		}
	}
	if st := f.q.Stats(); st.Health != queue.HealthNoDisk {
		return fmt.Errorf("full, and health is %s: %s", st.Health, st.HealthText)
	}
	full := f.next
	inRun, text := 0, f.q.Stats().HealthText
	for range more {
		held, err := f.put()
		if err != nil {
			return err
		}
		if held == client.Run {
			inRun++
		}
	}
	if inRun == 0 {
		return fmt.Errorf("full, and all of %d more are said to be on flash", more)
	}
	if err := f.compare(); err != nil {
		return err
	}
	fmt.Printf("full after %d messages of %d bytes, %d more in run, %s: %s\n", full-first, big, inRun, queue.HealthNoDisk, text)
	return nil
}

// untilWell waits until the queue has tried the flash again and is back.
func (f *filler) untilWell(mode queue.Mode) error {
	deadline := time.Now().Add(20 * time.Second)
	for f.q.Stats().Health != "" {
		if time.Now().After(deadline) {
			return fmt.Errorf("not back on flash: %s", f.q.Stats().HealthText)
		}
		time.Sleep(20 * time.Millisecond)
	}
	held, err := f.put()
	if err != nil {
		return err
	}
	if mode == queue.OnDisk && held != client.Disk {
		return fmt.Errorf("%d is not on flash, though there is room", f.next-1)
	}
	fmt.Println("room was made: back on flash")
	return f.compare()
}

// take takes n messages out, as sent.
func (f *filler) take(n uint64) {
	f.done += n
	f.q.Done(f.done)
}

// compare reads everything that waits.
func (f *filler) compare() error {
	want := f.done + 1
	for {
		list := f.q.Read(want-1, 100, 1<<20)
		if len(list) == 0 {
			break
		}
		for _, m := range list {
			if m.Seq != want || !bytes.Equal(m.Data, message(m.Seq, big).Data) {
				return fmt.Errorf("read %d in place of %d, or with other bytes", m.Seq, want)
			}
			want++
		}
	}
	if want != f.next {
		return fmt.Errorf("read up to %d, put up to %d", want-1, f.next-1)
	}
	return nil
}
