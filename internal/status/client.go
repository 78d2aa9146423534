package status

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"luatnetd/client"
)

// Queue is what waits for one connection.
type Queue struct {
	Name        string  `json:"name"`
	Mode        string  `json:"mode"` // run, spill or disk
	Messages    int     `json:"messages"`
	Bytes       int64   `json:"bytes"` // on the medium
	OldestS     float64 `json:"oldest_s"`
	OnFlash     int     `json:"segments_on_flash"`
	Spilling    bool    `json:"spilling"`
	Accepted    uint64  `json:"accepted"` // these since the queue was opened
	Done        uint64  `json:"done"`
	Refused     uint64  `json:"refused"`
	DroppedFull uint64  `json:"dropped_full"`
	DroppedOld  uint64  `json:"dropped_old"`
	Damaged     uint64  `json:"damaged"`
	RunBytes    int64   `json:"written_run_bytes"`
	FlashBytes  int64   `json:"written_flash_bytes"`
	FlashSyncs  int64   `json:"flash_syncs"`
	Health      string  `json:"health,omitempty"`
	HealthText  string  `json:"health_text,omitempty"`
}

// Text is the queue for a person.
func (q Queue) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "queue of %s (%s): %d messages wait, %d bytes, the oldest for %s\n", q.Name, q.Mode, q.Messages, q.Bytes, seconds(q.OldestS))
	fmt.Fprintf(&b, "accepted %d, done %d, refused %d, dropped %d (full %d, old %d), damaged %d\n",
		q.Accepted, q.Done, q.Refused, q.DroppedFull+q.DroppedOld, q.DroppedFull, q.DroppedOld, q.Damaged)
	fmt.Fprintf(&b, "flash: %d bytes written, %d syncs, %d segments now\n", q.FlashBytes, q.FlashSyncs, q.OnFlash)
	if q.Health != "" {
		fmt.Fprintf(&b, "%s: %s\n", q.Health, q.HealthText)
	}
	return b.String()
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// Time is the state of the clock (socket.ntptm; vaild, ndelay there).
type Time struct {
	Now      time.Time `json:"now"`     // UTC, the best we know
	Trusted  bool      `json:"trusted"` // somebody keeps it synchronised, or a server answered in this boot
	System   time.Time `json:"system"`  // the system clock, which is never set by us
	Valid    bool      `json:"valid"`   // a server answered in this boot
	Server   string    `json:"server,omitempty"`
	OffsetMs float64   `json:"offset_ms"` // add it to the system clock of then
	DelayMs  float64   `json:"delay_ms"`
	Error    string    `json:"error,omitempty"` // of the last try
}

// Text is the clock for a person.
func (t Time) Text() string {
	word := "trusted"
	if !t.Trusted {
		word = "not trusted: no server has answered since boot and nobody else keeps the clock"
	}
	text := fmt.Sprintf("%s  %s\n", t.Now.Format(time.RFC3339), word)
	if t.Valid {
		text += fmt.Sprintf("by %s: the system clock was off by %.1f ms, the answer took %.1f ms\n", t.Server, t.OffsetMs, t.DelayMs)
	}
	if t.Error != "" {
		text += "the last try failed: " + t.Error + "\n"
	}
	return text
}

// ConnectionsText is the list of connections for a person.
func ConnectionsText(list []client.ConnStatus, now time.Time) string {
	if len(list) == 0 {
		return "no connection is configured\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tSTATE\tUPLINK\tSERVER\tQUEUED\tACCEPTED\tSENT\tCONFIRMED\tDROPPED")
	for _, c := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n",
			c.Name, c.Kind, c.State, dash(c.Uplink), c.Remote, c.Queued, c.Accepted, c.Sent, c.Acknowledged, c.Dropped)
	}
	_ = w.Flush() // into memory
	for _, c := range list {
		if c.LastError != "" {
			fmt.Fprintf(&b, "%s: ended last because %s (%d)\n", c.Name, c.LastError, c.LastCode)
		}
		if c.Insecure {
			fmt.Fprintf(&b, "%s: insecure: nobody checks who the server is\n", c.Name)
		}
		if c.Warning != "" {
			fmt.Fprintf(&b, "%s: %s\n", c.Name, c.Warning)
		}
		if c.Queued > 0 {
			fmt.Fprintf(&b, "%s: the oldest message waits for %s\n", c.Name, c.Oldest.Round(time.Second))
		}
	}
	return b.String()
}
