package drive

import (
	"context"

	"luatnetd/modem"
)

// carryOut does one thing that the machine wants. What may wait runs beside
// Run and comes back as an event.
func (d *Driver) carryOut(ctx context.Context, a modem.Action) {
	switch a := a.(type) {
	case modem.Open:
		d.openPort(ctx, a.Port)
	case modem.Close:
		d.closePort(a.Port)
	case modem.Send:
		d.send(ctx, a)
	case modem.Save:
		d.beside(ctx, func() any { return modem.Finished{ID: a.ID, Err: d.saveMemory(a.Memory)} })
	case modem.StartData:
		d.startData(ctx, a.Plan)
	case modem.StopData:
		d.stopData(ctx)
	case modem.Release:
		d.say(ctx, Event{Release: &a})
	case modem.Pull:
		device := d.deviceNow()
		d.beside(ctx, func() any { return modem.Finished{ID: a.ID, Err: d.cfg.Pull(ctx, a.Lever, device)} })
	case modem.Tell:
		d.say(ctx, Event{Tell: &a})
	case modem.Answer:
		d.answer(a)
	case modem.Received:
		d.beside(ctx, func() any { return modem.Finished{ID: a.ID, Err: d.keepSMS(a.SMS)} })
	}
}

// beside runs what may wait; what it returns comes back to Run.
func (d *Driver) beside(ctx context.Context, work func() any) {
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		d.post(ctx, work())
	}()
}

// deviceNow is the device, or the one that was there: a lever may bring it back.
func (d *Driver) deviceNow() *modem.Device {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// Ask hands an operator's wish to the machine and waits for the answer.
func (d *Driver) Ask(ctx context.Context, r modem.Request) ([]string, error) {
	reply := make(chan modem.Answer, 1)
	d.mu.Lock()
	d.lastAsk++
	r.ID = d.lastAsk
	d.asked[r.ID] = reply
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.asked, r.ID)
		d.mu.Unlock()
	}()
	select {
	case d.inbox <- modem.Asked{Request: r}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-reply:
		return a.Lines, a.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *Driver) answer(a modem.Answer) {
	d.mu.Lock()
	reply := d.asked[a.ID]
	d.mu.Unlock()
	if reply != nil {
		reply <- a // capacity 1, one answer
	}
}
