package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"luatnetd/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func filled(n int) *Journal {
	j := New()
	for i := range n {
		j.Add(status.Event{Text: fmt.Sprint(i + 1), Seq: 99}) // numbers are the journal's business
	}
	return j
}

func seqs(list []status.Event) (n []uint64) {
	for _, e := range list {
		n = append(n, e.Seq)
	}
	return n
}

func TestAfter(t *testing.T) {
	for _, tc := range []struct {
		name        string
		have        int
		after       uint64
		first, last uint64 // 0: none
	}{
		{"empty", 0, 0, 0, 0},
		{"all", 3, 0, 1, 3},
		{"some", 3, 2, 3, 3},
		{"none", 3, 3, 0, 0},
		{"a number of the future", 3, 100, 0, 0},
		{"full", Size, 0, 1, Size},
		{"one went", Size + 1, 0, 2, Size + 1},
		{"after one that went", 3 * Size, 5, 2*Size + 1, 3 * Size},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list, _ := filled(tc.have).After(tc.after)
			if tc.first == 0 {
				if len(list) != 0 {
					t.Fatalf("After(%d) = %v, want none", tc.after, seqs(list))
				}
				return
			}
			var want []uint64
			for n := tc.first; n <= tc.last; n++ {
				want = append(want, n)
			}
			if !slices.Equal(seqs(list), want) {
				t.Errorf("After(%d) = %v, want %d to %d", tc.after, seqs(list), tc.first, tc.last)
			}
			if got := list[0].Text; got != fmt.Sprint(tc.first) {
				t.Errorf("event %d says %q", tc.first, got)
			}
		})
	}
}

// What After returns is the caller's: the ring goes on without it.
func TestAfterReturnsACopy(t *testing.T) {
	j := filled(2)
	list, _ := j.After(0)
	list[0].Text = "changed"
	if again, _ := j.After(0); again[0].Text != "1" {
		t.Errorf("the journal holds %q, want 1", again[0].Text)
	}
}

func TestAfterWakes(t *testing.T) {
	j := filled(1)
	_, wake := j.After(1)
	select {
	case <-wake:
		t.Fatal("woken without an event")
	default:
	}
	j.Add(status.Event{})
	select {
	case <-wake:
	case <-time.After(5 * time.Second):
		t.Fatal("not woken by an event")
	}
}

// Follow gives every event once, in order, however they arrive.
func TestFollow(t *testing.T) {
	const early, late = 10, 500
	j := filled(early)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range late / 2 {
				j.Add(status.Event{})
			}
		})
	}
	defer wg.Wait()
	want := uint64(5)
	err := j.Follow(ctx, want, func(e status.Event) error {
		if want++; e.Seq != want {
			t.Errorf("got event %d, want %d", e.Seq, want)
			want = e.Seq
		}
		if e.Seq == early+late {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || want != early+late {
		t.Errorf("Follow ended at event %d with %v, want %d and the end of the context", want, err, early+late)
	}
}

func TestFollowEndsWithItsReader(t *testing.T) {
	gone := errors.New("gone")
	n := 0
	err := filled(3).Follow(context.Background(), 0, func(status.Event) error {
		n++
		return gone
	})
	if !errors.Is(err, gone) || n != 1 {
		t.Errorf("Follow = %v after %d events, want the reader's error after 1", err, n)
	}
}
