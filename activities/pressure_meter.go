package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/platforms"
)

// A meter counts the calls on one platform instance. A nil one counts nothing.
type meter struct {
	of       *Pressure
	platform string
	limit    int // as configured

	mu      sync.Mutex
	report  pressure.Report
	since   time.Time // when the report begins
	next    *time.Timer
	reduced bool // as far as this worker knows
	usual   map[string]*baseline
}

// callSend is the one kind of call that may last as long as the other side thinks.
const callSend = "send"

// maxPressureReason bounds the reason in a report.
const maxPressureReason = 300

// note counts a call that began at a time and has ended with err. subject is the id of the
// conversation, or of the inbox.
func (m *meter) note(ctx context.Context, call, subject string, began time.Time, err error) {
	if m == nil || errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled) {
		return
	}
	took := time.Since(began)
	bad, reason := false, ""
	if platforms.Overloaded(err) && !(call == callSend && platforms.TimedOut(err)) {
		bad = true
		reason, _ = conversation.Explain(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !bad && err == nil && call != callSend {
		if usual, slow := m.baseline(call).judge(took); slow {
			bad = true
			reason = fmt.Sprintf("%s took %s, usually %s", call, took.Round(10*time.Millisecond), usual.Round(10*time.Millisecond))
		}
	}
	m.count(bad, subject, reason, waitOf(err))
	switch {
	case m.next != nil, !bad && !m.reduced, !m.of.begin():
	case bad:
		m.next = time.AfterFunc(m.of.window/2, m.flush)
	default:
		m.next = time.AfterFunc(m.of.window, m.flush)
	}
}

// count adds a call to the report. The caller holds the mutex.
func (m *meter) count(bad bool, subject, reason string, wait time.Duration) {
	now := time.Now()
	if m.next == nil && now.Sub(m.since) >= m.of.window {
		m.report, m.since = pressure.Report{}, now // older calls say nothing about the present
	}
	r := &m.report
	r.Calls++
	if !bad {
		return
	}
	r.Bad++
	r.Wait = max(r.Wait, wait)
	r.Reason = printable.Clip(printable.Text(reason), maxPressureReason)
	for _, id := range r.Failing {
		if id == subject {
			return
		}
	}
	if len(r.Failing) < pressure.MaxFailing {
		r.Failing = append(r.Failing, subject)
	}
}

// flush sends the report. What cannot be sent is dropped: the next calls show the same.
func (m *meter) flush() {
	defer m.of.sending.Done()
	m.mu.Lock()
	r := m.report
	r.Window = m.of.window
	m.report, m.since = pressure.Report{}, time.Now()
	m.mu.Unlock()
	reduced, err := m.of.send(m, r)
	m.mu.Lock()
	m.next = nil
	m.mu.Unlock()
	if err == nil {
		m.learn(reduced)
	}
}

// learn remembers whether the limit is reduced.
func (m *meter) learn(reduced *pressure.Reduction) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reduced = reduced != nil
}

// baseline is what a kind of call usually takes. The caller holds the mutex.
func (m *meter) baseline(call string) *baseline {
	b := m.usual[call]
	if b == nil {
		b = &baseline{}
		m.usual[call] = b
	}
	return b
}

// waitOf is the wait that a platform asks for.
func waitOf(err error) time.Duration {
	if e := asError(err); e != nil {
		return e.RetryAfter
	}
	return 0
}
