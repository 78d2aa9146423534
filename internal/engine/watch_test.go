package engine

import (
	"log/slog"
	"testing"
	"time"

	"luatnetd/client"
	"luatnetd/internal/host"
)

// A board whose watchdog takes 16 s at most is fed in time, though nothing else
// wants a turn for a minute.
func TestWD03TurnsInTimeForTheHardwareWatchdog(t *testing.T) {
	now := time.Unix(1000, 0)
	ladder, err := client.NewLadder(client.LadderPolicy{Timeout: time.Hour, MaxWait: time.Hour, Rungs: []client.RungPolicy{{Rung: client.RungReconnect, Wait: time.Minute}}}, "boot", now, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{log: slog.New(slog.DiscardHandler)}
	e.clients.watch = &watch{ladder: ladder}
	if next := e.watchTurn(now); next.Before(now.Add(time.Minute)) {
		t.Fatalf("without hardware: the next turn is after %v: this test shows nothing", next.Sub(now))
	}
	e.clients.watch.hard = &host.HardwareWatchdog{Timeout: 16 * time.Second}
	if next := e.watchTurn(now); next.Sub(now) != 8*time.Second {
		t.Errorf("the next turn is after %v, want 8s", next.Sub(now))
	}
}
