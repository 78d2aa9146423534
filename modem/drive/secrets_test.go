package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"luatnetd/modem"
)

// sink keeps all that the driver writes to its log.
type sink struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// logger is a log that misses nothing.
func (s *sink) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// noSecrets looks for PIN, password, IMSI and ICCID in all that has left the
// driver: status, export, journal, log and the memory on disk.
func (w *world) noSecrets() {
	w.t.Helper()
	status, err := json.Marshal(w.d.Status())
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	told := fmt.Sprintf("%+v", w.told)
	w.mu.Unlock()
	for where, text := range map[string]string{"status": string(status), "export": w.d.Export(), "journal": told, "log": w.logged.String(), "answers": w.answers} {
		for what, secret := range map[string]string{"PIN": secretPIN, "password": secretPassword, "ICCID": cardICCID, "IMSI": cardIMSI} {
			if i := strings.Index(text, secret); i >= 0 {
				w.t.Errorf("the %s shows the %s: …%s…", where, what, text[max(0, i-60):min(len(text), i+40)])
			}
		}
	}
}

// ask asks what an operator may ask, and keeps answers and errors.
func (w *world) ask() {
	for _, r := range []modem.Request{
		{Kind: modem.AskAT, Text: "+CPIN?"}, {Kind: modem.AskAT, Text: "+CPIN=\"1\""}, {Kind: modem.AskAT, Text: "+CGDCONT?"}, {Kind: modem.AskAT, Text: "+CGAUTH?"},
		{Kind: modem.AskUSSD, Text: "*100#"}, {Kind: modem.AskCells}, {Kind: modem.AskSMSSend, To: "12345", Text: "hello"},
	} {
		ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
		lines, err := w.d.Ask(ctx, r)
		stop()
		w.answers += fmt.Sprintln(r.Kind, lines, err)
	}
}
