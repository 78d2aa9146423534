package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"luatnetd/client"
	"luatnetd/client/hub"
)

// slow is a target that gives its result after a while.
type slow struct {
	after time.Duration
	err   error
	log   *[]string
	began time.Time
}

func (s *slow) Offer(m client.Message, done func(client.Result)) (client.Held, error) {
	*s.log = append(*s.log, fmt.Sprintf("%s=%s@%v", m.Source, m.Data, time.Since(s.began)))
	if s.err != nil {
		return 0, s.err
	}
	if done != nil {
		time.AfterFunc(s.after, func() { done(client.Result{OK: true}) })
	}
	return client.Run, nil
}

// sends runs a task for a time and returns what reached the first target.
func sends(t *testing.T, during time.Duration, run func(*hub.Hub) func(context.Context) error, targets ...*slow) (list []string) {
	synctest.Test(t, func(t *testing.T) {
		var h hub.Hub
		other := []string{}
		for i, g := range targets {
			g.log, g.began = &list, time.Now()
			if i > 0 {
				g.log = &other
			}
			h.SetTarget(fmt.Sprint(i), g)
		}
		ctx, cancel := context.WithTimeout(t.Context(), during)
		defer cancel()
		if err := run(&h)(ctx); err != nil {
			t.Error(err)
		}
	})
	return list
}

// TestLC08Timer: 1, 2, 3 …; the first after 5 s, then 5 s after the latest
// result; a fixed period does not wait for results.
func TestLC08Timer(t *testing.T) {
	for name, tt := range map[string]struct {
		fixed   bool
		text    string
		targets []*slow
		want    string
	}{
		"at once":            {false, "", []*slow{{}}, "timer=1@5s timer=2@10s timer=3@15s timer=4@20s"},
		"after 2 s":          {false, "", []*slow{{after: 2 * time.Second}}, "timer=1@5s timer=2@12s timer=3@19s"},
		"the slowest of 2":   {false, "", []*slow{{}, {after: 3 * time.Second}}, "timer=1@5s timer=2@13s timer=3@21s"},
		"no result":          {false, "", []*slow{{after: time.Hour}}, "timer=1@5s"},
		"fixed":              {true, "", []*slow{{after: time.Hour}}, "timer=1@5s timer=2@10s timer=3@15s timer=4@20s"},
		"a text":             {true, "hi", []*slow{{}}, "timer=hi@5s timer=hi@10s timer=hi@15s timer=hi@20s"},
		"refused: once more": {false, "", []*slow{{err: errors.New("full")}}, "timer=1@5s timer=1@10s timer=1@15s timer=1@20s"},
	} {
		t.Run(name, func(t *testing.T) {
			got := sends(t, 22*time.Second, func(h *hub.Hub) func(context.Context) error {
				return (&Timer{Name: "timer", Fixed: tt.fixed, Text: tt.text, Send: h.Send, Now: time.Now}).Run
			}, tt.targets...)
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q\nwant %q", strings.Join(got, " "), tt.want)
			}
		})
	}
}

// TestLC09Report: the seven fields, byte for byte, every 30 s with new values.
func TestLC09Report(t *testing.T) {
	n := 0
	got := sends(t, 61*time.Second, func(h *hub.Hub) func(context.Context) error {
		r := &Report{Name: "Aircloud_main", Send: h.Send, Now: time.Now, Read: func() Reading {
			n++
			dbm, celsius, mv := -70-n, 41.5, 3700
			return Reading{
				SignalDBm: &dbm, ICCID: "8986", Time: 946684804, TimeTrusted: true, ID: "861234",
				CelsiusCPU: &celsius, MilliVolt: &mv, Text: "用户",
			}
		}}
		return r.Run
	}, &slow{})
	want := `Aircloud_main=[{"value":-71,"data_type":0,"field_meaning":782},{"value":"8986","data_type":3,"field_meaning":783},` +
		`{"value":946684804,"data_type":0,"field_meaning":1280},{"value":"861234","data_type":3,"field_meaning":798},` +
		`{"value":41.5,"data_type":1,"field_meaning":256},{"value":3700,"data_type":0,"field_meaning":799},` +
		`{"value":"用户","data_type":5,"field_meaning":0}]@30s`
	if len(got) != 2 || got[0] != want {
		t.Fatalf("got %q\nwant %q", got, want)
	}
	if !strings.Contains(got[1], `"value":-72`) || !strings.HasSuffix(got[1], "@1m0s") {
		t.Errorf("the second report is %q", got[1])
	}
}

// TestReportWithoutValues: what is not there is left out, an untrusted time too.
func TestReportWithoutValues(t *testing.T) {
	data, err := Reading{Time: 5}.Encode()
	if err != nil || string(data) != "[]" || !json.Valid(data) {
		t.Errorf("%s, %v", data, err)
	}
}
