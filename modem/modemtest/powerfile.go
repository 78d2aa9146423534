package modemtest

import (
	"context"
	"os"
	"strings"
	"time"
)

// WatchPower is the power rail behind a file, as a sysfs GPIO is: "1" is on,
// "0" is off, a missing or empty file changes nothing. It looks every 50 ms
// until ctx ends.
func (m *Modem) WatchPower(ctx context.Context, path string) {
	for m.clk.sleep(ctx, nil, 50*time.Millisecond) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		switch strings.TrimSpace(string(b)) {
		case "1":
			m.Power(true)
		case "0":
			m.Power(false)
		}
	}
}
