package engine

import (
	"context"
	"errors"
	"time"

	"luatnetd/router"
	"luatnetd/router/kernel"
)

// stop leaves the kernel as on_stop says: "keep" changes nothing and releases
// nothing; "clean" takes away all that is ours.
func (e *Engine) stop(cancel context.CancelFunc) error {
	var err error
	e.stopApplier()
	<-e.applierDone // the kernel has one owner at a time
	if e.cfg.OnStop == "clean" && e.snap != nil {
		err = e.clean()
		for _, u := range e.uplinks {
			u.modem.end()
		}
	}
	e.unguard()
	cancel()
	e.tasks.Wait()
	e.clients.watch.close()
	e.prober.Wait()
	if e.lock != nil {
		err = errors.Join(err, e.lock.Release())
	}
	return errors.Join(err, e.kernel.Close())
}

// stopTimeout bounds a clean stop; the service manager kills after 15 s.
const stopTimeout = 10 * time.Second

func (e *Engine) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_, err := wipe(ctx, e.kernel, e.plan, func() { e.releaseAll(ctx) })
	return err
}

// releaseAll gives the addresses of all uplinks back, while they are there.
func (e *Engine) releaseAll(ctx context.Context) {
	for _, u := range e.uplinks {
		if u.client == nil {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, releaseTimeout)
		_ = u.client.Release(limited) // a server that is gone gets no word
		cancel()
	}
}

func (e *Engine) kernelConfig() kernel.Config {
	return kernel.Config{RunDir: e.opt.RunDir, Marks: e.marks, Log: e.opt.Log}
}

// inspect reads the kernel beside the applier, over connections of its own.
func (e *Engine) inspect(ctx context.Context, plan router.Plan) (router.Have, error) {
	k, err := kernel.Open(e.kernelConfig())
	if err != nil {
		return router.Have{}, err
	}
	defer k.Close()
	return read(ctx, k, plan)
}

// read reads everything that is ours, with what only the kernel room knows.
func read(ctx context.Context, k *kernel.Kernel, plan router.Plan) (router.Have, error) {
	have, err := k.Read(ctx, plan)
	if err != nil {
		return have, err
	}
	have.Original = k.Originals()
	have.Made, err = k.Made()
	have.Killed = plan.Kill
	return have, err
}
