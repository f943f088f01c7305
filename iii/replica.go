package iii

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// replicaInterval is the default of [ReplicaOptions.Interval].
const replicaInterval = 2 * time.Second

// ReplicaOptions are what [Worker.RegisterReplica] needs.
type ReplicaOptions struct {
	// Functions that one of the replicas serves. Required. Their Metadata must be an
	// object or empty: the replica adds the key "instance". All replicas must register
	// the same ids.
	Functions []Function
	// Service is the part before the "::" of the one function that each replica serves
	// for itself, which the engine calls when a worker leaves. Required.
	Service string
	// Interval between two comparisons with the engine's list of functions. Default 2 s.
	// A replica compares at once when the engine reports that a worker has left.
	Interval time.Duration
}

func (o ReplicaOptions) validate() error {
	var faults []error
	if len(o.Functions) == 0 {
		faults = append(faults, errors.New("there are no Functions"))
	}
	if o.Service == "" {
		faults = append(faults, errors.New("the Service is empty"))
	}
	if o.Interval < 0 {
		faults = append(faults, fmt.Errorf("the Interval is %s, must not be negative", o.Interval))
	}
	return errors.Join(faults...)
}

// A Replica serves functions as one of several workers that could. An engine gives each
// function to one worker: engines before 0.23 to the last that announces it, later ones
// to the first, and they refuse all others. So a replica announces only the functions
// that no worker serves, and stands by for the others.
//
// Access rules may hide from a worker who serves its functions. Then a replica announces
// them once on each connection, and again when a worker leaves.
type Replica struct {
	w         *Worker
	interval  time.Duration
	functions []Function
	instance  string // identifies this replica in the metadata of its functions

	watcher *Registration
	watch   *TriggerRegistration

	wake   chan struct{} // holds one: compare at once
	left   atomic.Bool   // a worker has left since the last comparison
	cancel context.CancelFunc
	done   chan struct{} // closed once the loop has ended
	stop   sync.Once

	// The loop's own.
	announced map[string]*Registration
	view      replicaView
}

// RegisterReplica serves functions as one of several replicas, until
// [Replica.Unregister] or the worker's end. Its error is about the options; a function
// that another worker serves is no error.
func (w *Worker) RegisterReplica(opts ReplicaOptions) (*Replica, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("iii: register replica of %q: %w", opts.Service, err)
	}
	r := &Replica{
		w: w, interval: cmp.Or(opts.Interval, replicaInterval), instance: strings.ToLower(rand.Text()[:12]),
		wake: make(chan struct{}, 1), done: make(chan struct{}), announced: map[string]*Registration{},
	}
	for _, f := range opts.Functions {
		own, err := r.own(f)
		if err != nil {
			return nil, fmt.Errorf("iii: register replica of %q: function %s: %w", opts.Service, f.ID, err)
		}
		r.functions = append(r.functions, own)
	}
	if err := r.watchWorkers(opts.Service); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	r.cancel = cancel
	go r.run(ctx)
	return r, nil
}

// own is the function as this replica announces it.
func (r *Replica) own(f Function) (Function, error) {
	if _, err := f.check(); err != nil {
		return f, err
	}
	var err error
	if f.Metadata, err = r.metadata(f.Metadata); err != nil {
		return f, err
	}
	refused := f.OnRefused
	f.OnRefused = func(refusal Refusal) {
		r.compareSoon()
		if refused != nil {
			refused(refusal)
		}
	}
	return f, nil
}

// metadata adds the replica's instance.
func (r *Replica) metadata(given json.RawMessage) (json.RawMessage, error) {
	fields := map[string]any{}
	if len(given) > 0 {
		if err := json.Unmarshal(given, &fields); err != nil {
			return nil, errors.New("the Metadata is not an object")
		}
	}
	fields["instance"] = r.instance
	return json.Marshal(fields)
}

// watchWorkers has the engine call this replica when a worker leaves. Every replica
// does so all the time, with a function of its own.
func (r *Replica) watchWorkers(service string) error {
	metadata, err := r.metadata(json.RawMessage(`{"internal":true}`))
	if err != nil {
		return err
	}
	f := Function{
		ID: service + "::watch-" + r.instance, Description: "Notifies a replica of " + service + " when a worker leaves",
		Metadata: metadata, Handler: r.workersChanged,
	}
	if r.watcher, err = r.w.RegisterFunction(f); err != nil {
		return err
	}
	r.watch, err = r.w.RegisterTrigger(Trigger{
		ID: "watch-" + r.instance, Type: "engine::workers-available", FunctionID: f.ID, Namespace: r.w.opts.Namespace,
	})
	if err != nil {
		r.watcher.Unregister()
	}
	return err
}

// workersChanged serves the trigger engine::workers-available.
func (r *Replica) workersChanged(_ context.Context, call Invocation) (any, error) {
	var event struct {
		Event string `json:"event"`
	}
	if err := call.Decode(&event); err != nil {
		return nil, err
	}
	if event.Event != "worker_connected" {
		r.left.Store(true)
		r.compareSoon()
	}
	return nil, nil
}

func (r *Replica) compareSoon() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Unregister withdraws the functions, so that the engine sends no more calls, and has
// the other replicas compare at once. Calls that run go on and are answered.
func (r *Replica) Unregister() {
	r.stop.Do(func() {
		r.cancel()
		<-r.done
		r.watch.Unregister()
		r.watcher.Unregister()
		r.withdraw()
		r.w.Describe()
	})
}

// run compares until ctx is done.
func (r *Replica) run(ctx context.Context) {
	defer close(r.done)
	for {
		r.w.mu.Lock()
		connected, id, changed := r.w.state == Connected, r.w.workerID, r.w.changed
		r.w.mu.Unlock()
		if !connected || id != r.view.workerID {
			r.withdraw()
			r.view = replicaView{workerID: id, shown: map[string]bool{}}
		}
		if connected {
			err := r.compare(ctx)
			if errors.Is(err, ErrClosed) {
				return
			}
			if err != nil && ctx.Err() == nil {
				r.w.log.Warn("cannot compare a replica's functions with the iii engine's list", "error", err, "retry_in", r.interval)
			}
		}
		timer := time.NewTimer(r.interval)
		select {
		case <-changed:
		case <-timer.C:
		case <-r.wake:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// withdraw unregisters what was announced. The next connection must not announce it by
// itself: another replica may serve it by then.
func (r *Replica) withdraw() {
	for id, registration := range r.announced {
		registration.Unregister()
		delete(r.announced, id)
	}
}
