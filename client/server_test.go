package client

import (
	"testing"
	"time"
)

// TestSRV02Words: what the servers say, byte for byte (spec §4.3).
func TestSRV02Words(t *testing.T) {
	for got, want := range map[string]string{
		Greeting(false, "client-1"):            "TCP server is UP!",
		Greeting(true, ClientName(12)):         "TCP server is UP! you are client-12",
		SendPrefix("uart"):                     "send from uart: ",
		GreetingUDP:                            "UDP Server is UP",
		Heartbeat:                              "UDP Server Heartbeat",
		time.Duration(ServerPause).String():    "15s",
		ClientName(ServerPort - BroadcastPort): "client-3",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSRV01Admission: the second client is refused, or the first is kicked.
func TestSRV01Admission(t *testing.T) {
	for _, tt := range []struct {
		a            Admission
		connected    int
		accept, kick bool
	}{
		{Admission{Max: 1}, 0, true, false},
		{Admission{Max: 1}, 1, false, false},
		{Admission{Max: 1, KickOld: true}, 0, true, false},
		{Admission{Max: 1, KickOld: true}, 1, true, true},
		{Admission{Max: 64}, 63, true, false},
		{Admission{Max: 64}, 64, false, false},
	} {
		if accept, kick := tt.a.Decide(tt.connected); accept != tt.accept || kick != tt.kick {
			t.Errorf("%+v with %d: accept %v, kick %v", tt.a, tt.connected, accept, kick)
		}
	}
}

// TestSRV03Silence: 15 s after the latest traffic, whatever order it is noted in.
func TestSRV03Silence(t *testing.T) {
	t0 := time.Unix(1000, 0)
	s := Silence{Every: ServerPause}
	for _, step := range []struct{ at, due time.Duration }{{0, 15}, {9, 24}, {5, 24}, {24, 39}} {
		s.Traffic(t0.Add(step.at * time.Second))
		if got := s.Due(); !got.Equal(t0.Add(step.due * time.Second)) {
			t.Errorf("after traffic at %d s: due %s", step.at, got.Sub(t0))
		}
	}
	if never := (&Silence{}); !never.Due().IsZero() {
		t.Error("due without a period")
	}
}
