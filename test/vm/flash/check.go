package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"luatnetd/client"
	"luatnetd/client/queue"
)

// promised is what the writer had printed when it was frozen.
type promised struct {
	tried, synced, leaving uint64
}

func parse(log string) (p promised, err error) {
	for line := range strings.Lines(log) {
		var word string
		var n uint64
		if _, err := fmt.Sscan(line, &word, &n); err != nil {
			return p, fmt.Errorf("the writer said %q", strings.TrimSpace(line))
		}
		switch word {
		case "try":
			p.tried = n
		case "synced":
			p.synced = n
		case "leaving":
			p.leaving = n
		default:
			return p, fmt.Errorf("the writer said %q", strings.TrimSpace(line))
		}
	}
	if p.synced == 0 || p.synced <= p.leaving {
		return p, fmt.Errorf("the writer promised nothing: %+v", p)
	}
	return p, nil
}

// check opens the queue on a copy. Everything synced and not leaving is there,
// in order, with the bytes that were put, and the queue goes on.
func check(cfg queue.Config, logFile string) error {
	text, err := os.ReadFile(logFile)
	if err != nil {
		return err
	}
	p, err := parse(string(text))
	if err != nil {
		return err
	}
	cfg.Mode = queue.OnDisk // the link is of no interest here, and Put says Disk
	cfg.Sync = 0
	q, found := queue.Open(cfg)
	list := readAll(q)
	if err := p.judge(list); err != nil {
		return fmt.Errorf("%w (%+v, found %+v)", err, p, found)
	}
	m, held, err := q.Put(message(1, 10))
	if err != nil || held != client.Disk || m.Seq <= p.synced {
		return fmt.Errorf("put after the cut: number %d held %v: %v: %s", m.Seq, held, err, q.Stats().HealthText)
	}
	fmt.Printf("%d synced and %d more, behind %d that were done; torn %d, damaged %d\n",
		p.synced-p.leaving, list[len(list)-1].Seq-p.synced, p.leaving, found.Torn, found.Damaged)
	return q.Close()
}

func (p promised) judge(list []client.Message) error {
	last, have := uint64(0), map[uint64]bool{}
	for _, m := range list {
		switch {
		case m.Seq <= last:
			return fmt.Errorf("%d comes after %d", m.Seq, last)
		case m.Seq > p.tried:
			return fmt.Errorf("invented: %d, the last put was %d", m.Seq, p.tried)
		case m.Source != "uart" || !bytes.Equal(m.Data, message(m.Seq, sizeOf(m.Seq)).Data):
			return fmt.Errorf("%d came back with other bytes", m.Seq)
		}
		last, have[m.Seq] = m.Seq, true
	}
	for seq := p.leaving + 1; seq <= p.synced; seq++ {
		if !have[seq] {
			return fmt.Errorf("lost: %d was synced", seq)
		}
	}
	return nil
}

func readAll(q *queue.Queue) (all []client.Message) {
	for after := uint64(0); ; after = all[len(all)-1].Seq {
		list := q.Read(after, 100, 1<<20)
		if len(list) == 0 {
			return all
		}
		all = append(all, list...)
	}
}
