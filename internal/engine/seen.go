package engine

import (
	"context"
	"encoding/json"
	"path/filepath"

	"luatnetd/internal/store"
	"luatnetd/netif/health"
)

// seenFile remembers which targets have answered on which uplink, so that a
// fault that is present before the start ("ping works, TCP does not") is judged
// like one that comes later. It is written when a target answers for the first
// time on an uplink: a few times in a box's life.
const seenFile = "targets.json"

func (e *Engine) loadSeen() {
	e.seen = make(map[string][]health.Target)
	b, err := store.ReadFile(filepath.Join(e.stateDir, seenFile), 1<<20)
	if err != nil || json.Unmarshal(b, &e.seen) != nil {
		e.seen = make(map[string][]health.Target) // the first start, or a torn file: nothing is known
	}
}

// noteSeen keeps what an uplink's monitor has seen answer, beside the loop.
func (e *Engine) noteSeen(u *uplink) {
	seen := u.monitor.Seen()
	if len(seen) <= len(e.seen[u.cfg.Name]) {
		return
	}
	e.seen[u.cfg.Name] = seen
	b, err := json.Marshal(e.seen)
	if err != nil {
		e.log.Warn("targets that answered are not remembered", "error", err)
		return
	}
	select {
	case <-e.seenOut: // an older one waits: this one holds it
	default:
	}
	e.seenOut <- b
}

// writeSeen is the task that writes the file.
func (e *Engine) writeSeen(ctx context.Context) error {
	path := filepath.Join(e.stateDir, seenFile)
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-e.seenOut:
			if _, err := store.WriteFile(path, b, 0o644); err != nil {
				e.log.Warn("targets that answered are not remembered", "error", err)
			}
		}
	}
}
