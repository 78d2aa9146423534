package engine

import (
	"context"
	"testing"
	"testing/synctest"
)

// LC-04: a source that was quicker than a connection had its messages accepted
// by the others only; that one never got them.
func TestSourcesBeginAfterEveryConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newSignal(), newSignal()
		began := make(chan struct{})
		run := gate{a, b}.before(func(context.Context) error { close(began); return nil })
		go func() { _ = run(t.Context()) }()
		for _, s := range []signal{a, b} {
			synctest.Wait()
			select {
			case <-began:
				t.Fatal("the source began before every connection was in the hub")
			default:
			}
			s.give()
			s.give() // a task that is started again gives it again
		}
		<-began
	})
}

// A source that waits ends with its context.
func TestGateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- gate{newSignal()}.before(func(context.Context) error { t.Error("it began"); return nil })(ctx)
		}()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("a source that waits ended with %v, want nil", err)
		}
	})
}
