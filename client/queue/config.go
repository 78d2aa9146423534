package queue

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"luatnetd/client"
)

// Mode is where messages are kept.
type Mode string

// The modes.
const (
	RunOnly Mode = "run"   // tmpfs: no flash is written
	Spill   Mode = "spill" // tmpfs, moved to flash while the link is down, the backlog is old, or on Close
	OnDisk  Mode = "disk"  // flash
)

// Full is the rule for a message that does not fit.
type Full string

// The rules.
const (
	Oldest Full = "oldest" // drop from the head until it fits
	Newest Full = "newest" // drop the new message, counted as dropped
	Refuse Full = "refuse" // tell the source, counted as refused
)

// Errors that a caller tells apart. None of them means that the message was kept.
var (
	ErrFull     = errors.New("the queue is full")
	ErrTooLarge = errors.New("message is over the size limit")
	ErrClosed   = errors.New("the queue is closed")
)

// Why a message left the queue without being sent, as OnDrop tells it.
const (
	DropFull    = "the queue was full"
	DropOld     = "older than the limit"
	DropDamaged = "damaged on the medium"
)

// Config says where a queue is and what it may hold. Zero values stand for the
// defaults named in the comments.
type Config struct {
	Run  string // directory of this queue alone, on a tmpfs; it is made if missing
	Disk string // the same on flash; "" allows mode RunOnly only
	Mode Mode   // Spill, or RunOnly where there is no Disk
	Full Full   // Oldest
	// Sync is how long a record on flash may stay unsynced; 0 syncs each before
	// Put returns. In mode Spill 0 stands for 5 s: nobody waits for it.
	Sync time.Duration

	MaxBytes    int64         // on the medium, records with their frame; 16 MiB
	MaxMessages int           // 100,000
	MaxAge      time.Duration // 0 for no limit
	MaxMessage  int           // bytes of one message's data; 256 KiB, at most MaxBytes
	SegmentSize int64         // 256 KiB: a new file costs three syncs on flash, so not too few

	SpillAfter time.Duration // link down for so long; 10 s, so that a reconnect writes no flash
	SpillAge   time.Duration // oldest message waits for so long; 60 s

	IDs bool // give each message an ID: its Seq, which then never repeats, power cuts included

	// OnDrop is told each message that leaves without Done, once, outside of any
	// lock. It may have been read and be on its way: a later Done changes
	// nothing. Of a damaged one only the Seq is known. It may be nil.
	OnDrop func(m client.Message, reason string)
	Now    func() time.Time // time.Now
	Log    *slog.Logger     // discards

	run, disk dir  // tests put their own file layer here
	manual    bool // and call tick themselves
	salt      func() uint32
	step      func(last, now time.Time) time.Duration
}

// RetryDisk is the pause after a failure of the flash before it is tried again.
const RetryDisk = time.Minute

func (c Config) withDefaults() Config {
	if c.Disk != "" && c.disk == nil {
		c.disk = &osDir{path: c.Disk}
	}
	if c.run == nil {
		c.run = &osDir{path: c.Run}
	}
	if c.Mode == "" {
		c.Mode = Spill
	}
	if c.disk == nil {
		c.Mode = RunOnly
	}
	if c.Full == "" {
		c.Full = Oldest
	}
	if c.Mode == Spill && c.Sync == 0 {
		c.Sync = 5 * time.Second
	}
	orDefault(&c.MaxBytes, 16<<20)
	orDefault(&c.MaxMessages, 100_000)
	orDefault(&c.MaxMessage, 256<<10)
	c.MaxMessage = min(c.MaxMessage, maxBody-maxExtra)
	orDefault(&c.SegmentSize, 256<<10)
	orDefault(&c.SpillAfter, 10*time.Second)
	orDefault(&c.SpillAge, time.Minute)
	if c.step == nil {
		c.step = clockStep
	}
	if c.salt == nil {
		c.salt = rand.Uint32
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
