package serve

import (
	"luatnetd/dhcpsrv"
	"luatnetd/internal/store"
)

// logVersion is the version of the lease log as a file; records have their own.
const logVersion = 1

// job is work for the committer.
type job struct {
	records []dhcpsrv.Record
	rewrite bool // the log becomes exactly these; otherwise they are appended
}

// result is what became of a job.
type result struct {
	err  error
	size int64 // of the log now, in bytes
}

// committer owns the lease log. It does one job at a time, in its own
// goroutine, since a flash may take half a second for a sync.
type committer struct {
	log  *store.Log
	jobs chan job    // capacity 1: the loop has one job out at a time
	done chan result // capacity 1: never blocks the committer
}

func newCommitter(log *store.Log) *committer {
	return &committer{log: log, jobs: make(chan job, 1), done: make(chan result, 1)}
}

// run works until jobs is closed, then closes the log and done.
func (c *committer) run() {
	defer close(c.done)
	for j := range c.jobs {
		err := c.do(j)
		c.done <- result{err: err, size: c.log.Size()}
	}
	_ = c.log.Close()
}

func (c *committer) do(j job) error {
	list := storeRecords(j.records)
	if j.rewrite {
		if err := c.log.Rewrite(list); err != nil {
			return err
		}
		return c.log.Err()
	}
	if err := c.log.Append(list...); err != nil {
		return err
	}
	return c.log.Sync()
}

func storeRecords(records []dhcpsrv.Record) []store.Record {
	list := make([]store.Record, len(records))
	for i, r := range records {
		list[i] = store.Record{Type: r.Type, Payload: r.Payload}
	}
	return list
}
