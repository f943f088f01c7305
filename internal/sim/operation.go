package sim

import (
	"errors"
	"net/http"
	"time"
)

// An operation is one call of a worker, with what it observes.
type operation struct {
	s        *Simulator
	op       string
	talk     *talk  // nil for lists
	id       string // the conversation's
	ordinal  int    // its simulation's
	seq      int    // its own in the simulation
	call     int    // of this operation on this conversation, from 1
	fault    fault
	hints    []Hint
	detail   string
	accepted int // messages of the agent
	logged   bool
}

// operate executes do under the fault drawn for the call, and records an event with the
// conversation. r's own context has no influence.
func (s *Simulator) operate(r *http.Request, op string, t *talk, do func(*operation) (any, error)) (any, error) {
	o := s.newOperation(op, t)
	if o.fault.refuse != 0 {
		err := internalError()
		if o.fault.refuse == http.StatusTooManyRequests {
			s.mu.RLock()
			after := s.faults.RetryAfter
			s.mu.RUnlock()
			err = &httpError{status: http.StatusTooManyRequests, detail: "Too many requests", retryAfter: after}
		}
		o.finish(err)
		return nil, err
	}
	body, err := o.run(do)
	o.finish(err)
	s.cfg.Logger.Debug("call", "operation", op, "path", r.URL.Path, "status", statusOf(err), "fault", o.fault.name(), "hints", o.hints)
	switch {
	case o.fault.lost && o.fault.cut:
		return nil, &spoiled{cut: true}
	case o.fault.lost:
		return nil, internalError()
	case o.fault.malformed && err == nil:
		return nil, &spoiled{body: body}
	}
	return body, err
}

// run delays slow calls before their effect. Responses and claims delay themselves,
// after they have read.
func (o *operation) run(do func(*operation) (any, error)) (any, error) {
	if o.op != OpResponses && o.op != OpStart {
		if err := o.s.pause(o.fault.slow); err != nil {
			return nil, err
		}
	}
	return do(o)
}

func (s *Simulator) newOperation(op string, t *talk) *operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals.calls[op]++
	o := &operation{s: s, op: op, talk: t, call: s.totals.calls[op]}
	key := []any{s.cfg.Seed, o.call}
	if t != nil {
		t.calls[op]++
		o.call = t.calls[op]
		o.id, o.seq, o.ordinal = t.row.ID, t.row.Seq, s.st.simulation[t.row.Simulation].row.Ordinal
		key = []any{s.cfg.Seed, o.ordinal, o.seq, o.call}
	}
	o.fault = s.faults.draw(op, key...)
	if name := o.fault.name(); name != "" {
		s.totals.faults[name]++
	}
	return o
}

func (o *operation) hint(h Hint) { o.hints = append(o.hints, h) }

// event is the record of the call.
func (o *operation) event(status int, now time.Time) []eventRow {
	o.logged = true
	return []eventRow{{o.id, Event{
		At: now, Op: o.op, Call: o.call, Status: status, Fault: o.fault.name(), Accepted: o.accepted, Hints: o.hints, Detail: o.detail,
	}}}
}

// finish records an event for a call that changed nothing. Reads have none, nor do calls
// that Close interrupted.
func (o *operation) finish(err error) {
	if o.logged || o.talk == nil || o.op == OpItems || o.op == OpGet || errors.Is(err, errClosing) {
		return
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.s.commit(entry{Events: o.event(statusOf(err), o.s.now())})
}

func statusOf(err error) int {
	var failed *httpError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &failed):
		return failed.status
	default:
		return http.StatusInternalServerError
	}
}

// latency is how long the persona thinks about this call.
func (o *operation) latency() time.Duration {
	l := o.s.cfg.Latency
	spread := max(0, l.Max-l.Min)
	if spread == 0 {
		return l.Min
	}
	rng := newRand("latency", o.s.cfg.Seed, o.ordinal, o.seq, o.call)
	return l.Min + time.Duration(rng.Int64N(int64(spread)+1))
}

// takeTurn waits until no other call exchanges messages in the conversation, if
// Lenient.Turns is set. Workers should ensure it themselves.
func (o *operation) takeTurn() (release func(), err error) {
	s, t := o.s, o.talk
	s.mu.Lock()
	if t.busy > 0 {
		o.hint(HintConcurrent)
	}
	t.busy++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		t.busy--
		s.mu.Unlock()
	}
	if !s.cfg.Lenient.Turns {
		return leave, nil
	}
	select {
	case t.turn <- struct{}{}:
		return func() { <-t.turn; leave() }, nil
	case <-s.ctx.Done():
		leave()
		return nil, errClosing
	}
}
