package iii

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
)

// attach makes c the connection in use and announces every registration on it before
// anything else. The order is that of the official SDKs, except that calls that waited
// come after the worker's description: engines from 0.23 hold registrations back until
// they have it. attach reports false if the worker is closing.
func (w *Worker) attach(c *connection) bool {
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		return false
	}
	if w.reattachToken != "" {
		c.pushLocked(frame{Type: typeReattach, PreviousWorkerID: w.workerID, ReattachToken: w.reattachToken})
	}
	w.workerID, w.reattachToken = c.id, c.token
	for _, t := range w.triggerTypes {
		c.pushLocked(t.frame())
	}
	for _, r := range w.functions {
		r.refusal = nil
		c.pushLocked(r.frame)
	}
	for _, t := range w.triggers {
		t.announced = false
		w.announceTrigger(c, t)
	}
	c.pushLocked(w.describe())
	w.conn = c
	w.dialect = nil
	w.mu.Unlock()
	c.wakeWriter()
	w.log.Info("connected to the iii engine", "url", w.at.shown, "worker_id", printable(c.id))
	w.setState(Connected, nil)
	return true
}

// detach fails the calls that were handed to c, because their answers would have arrived
// over it. Calls that were not handed to a connection keep waiting.
func (w *Worker) detach(c *connection, err error) {
	defer w.notify()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closing && !errors.Is(err, ErrRejected) {
		w.change(Reconnecting, err) // before any call returns its error
	}
	c.dead = true
	c.control = nil
	if w.conn == c {
		w.conn = nil
		w.dialect = nil
	}
	for _, call := range w.pending {
		if call.conn == c {
			w.complete(call, outcome{err: ErrConnectionLost})
		}
	}
	w.signalDequeued()
}

// describe is the worker's entry in the engine's list of workers.
func (w *Worker) describe() frame {
	type telemetry struct {
		ProjectName string `json:"project_name,omitempty"`
		Framework   string `json:"framework"`
	}
	data, err := json.Marshal(struct {
		Runtime     string    `json:"runtime"`
		Version     string    `json:"version,omitempty"`
		Name        string    `json:"name"`
		Description string    `json:"description,omitempty"`
		OS          string    `json:"os"`
		PID         int       `json:"pid"`
		Namespace   string    `json:"namespace,omitempty"`
		Telemetry   telemetry `json:"telemetry"`
	}{
		Runtime: "go", Version: w.opts.Version, Name: w.opts.Name, Description: w.opts.Description,
		OS: runtime.GOOS + " " + runtime.GOARCH, PID: os.Getpid(), Namespace: w.opts.Namespace,
		Telemetry: telemetry{w.opts.Project, "parley-iii"},
	})
	if err != nil {
		panic(err) // strings and a number
	}
	return frame{Type: typeInvoke, FunctionID: "engine::workers::register", Data: data, Action: &action{Type: "void"}}
}

// Describe sends the worker's description again. The engine reports it to every trigger
// of the type "engine::workers-available", as it reports workers that leave. Without a
// connection it does nothing.
func (w *Worker) Describe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		w.conn.pushLocked(w.describe())
	}
}
