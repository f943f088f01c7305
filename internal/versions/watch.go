package versions

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	watchEvery   = 5 * time.Second
	watchAnswers = 4 * time.Second // less than watchEvery: one reading at a time
	// countEvery is how often a Watch counts stranded workflows, which asks visibility.
	countEvery = 30 * time.Second
	// missedReads is how many readings in a row must find no workers of the current version
	// before it counts as without workers: a Temporal server that restarts learns of its
	// workers within some seconds.
	missedReads = 3
)

// A Watch follows, inside a worker, what the worker's version is used for.
type Watch struct {
	Reader    Reader
	TaskQueue string
	// Own is the version of this worker.
	Own Version
	// Count counts the workflows that match a visibility query. Nil: none are counted.
	Count  func(ctx context.Context, query string) (int64, error)
	Logger *slog.Logger
	// Every is the time between two readings. Zero: five seconds.
	Every time.Duration

	standing atomic.Pointer[Standing]
	missed   int
	counted  time.Time
}

// A Standing is what Temporal used a worker's version for at the last reading.
type Standing struct {
	State State
	Own   Version
	Role  Role
	// Idle says why the worker gets no new work. Empty: it gets some.
	Idle string
	// NoWorkers: the version that gets the work has no workers either.
	NoWorkers bool
	// Stranded counts the workflows of the task queue that no worker can run. Below zero:
	// they have not been counted.
	Stranded int64
}

// Standing is the newest one. Nil: nothing has been read yet.
func (w *Watch) Standing() *Standing { return w.standing.Load() }

// Ready reports whether the worker is of use, with what an operator should know.
func (w *Watch) Ready() (detail string, ok bool) {
	s := w.Standing()
	if s == nil {
		return "", true
	}
	return s.Idle, !s.NoWorkers
}

// Run follows until ctx is done.
func (w *Watch) Run(ctx context.Context) {
	if w.Reader.Memory == nil {
		w.Reader.Memory = new(Memory)
	}
	every := w.Every
	if every == 0 {
		every = watchEvery
	}
	for {
		w.read(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(every + rand.N(every/10+1)):
		}
	}
}

func (w *Watch) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchAnswers)
	defer cancel()
	state, err := w.Reader.Read(ctx, w.TaskQueue, w.Own.DeploymentName)
	if err != nil {
		return // the connection to Temporal is checked elsewhere
	}
	s := w.judge(state)
	before := w.standing.Load()
	s.Stranded = w.count(ctx, state, before)
	w.standing.Store(&s)
	w.report(before, s)
}

// judge says what a state means for this worker, which runs, whatever Temporal knows.
func (w *Watch) judge(state State) Standing {
	s := Standing{State: state, Own: w.Own, Role: state.Of(w.Own).Role}
	switch {
	case state.Current == w.Own:
		s.Role = Current
	case state.Ramping == w.Own && state.RampPercent > 0:
		s.Role = Ramping
	default:
		s.Idle = w.idle(state)
	}
	gone := s.Idle != "" && !state.Live(state.Current) && (state.RampPercent == 0 || !state.Live(state.Ramping))
	if !gone {
		w.missed = 0
		return s
	}
	if w.missed++; w.missed >= missedReads {
		s.NoWorkers = true
		s.Idle += ", and that one has no workers: conversations are stranded"
		if state.Current == (Version{}) {
			s.Idle = fmt.Sprintf("this worker's version %s is not current, and no version is: conversations are stranded (%s)", Name(w.Own), SetCurrent(w.Own))
		}
	}
	return s
}

// idle says why a worker that is neither current nor ramping gets no new work.
func (w *Watch) idle(state State) string {
	switch {
	case w.Own == (Version{}):
		return fmt.Sprintf("this worker has no version and gets no work while version %s is current", Name(state.Current))
	case state.Current == (Version{}):
		return fmt.Sprintf("this worker's version %s is not current, workers without versioning get the work (%s)", Name(w.Own), SetCurrent(w.Own))
	}
	return fmt.Sprintf("this worker's version %s is not current, version %s is (%s)", Name(w.Own), Name(state.Current), SetCurrent(w.Own))
}

func (w *Watch) count(ctx context.Context, state State, before *Standing) int64 {
	last := int64(-1)
	if before != nil {
		last = before.Stranded
	}
	if w.Count == nil || time.Since(w.counted) < countEvery {
		return last
	}
	w.counted = time.Now()
	n, err := w.Count(ctx, state.StrandedQuery())
	if err != nil {
		return last
	}
	return n
}

// report logs the worker's standing at the start and when it changes.
func (w *Watch) report(before *Standing, now Standing) {
	if before != nil && before.Role == now.Role && before.NoWorkers == now.NoWorkers && (before.Idle == "") == (now.Idle == "") {
		return
	}
	if w.Own == (Version{}) && now.Idle == "" {
		if before != nil {
			w.Logger.Info("workers without versioning get new work again")
		}
		return
	}
	args := []any{"version", Name(w.Own), "role", string(now.Role)}
	switch {
	case now.NoWorkers:
		w.Logger.Error("no worker takes new work: "+now.Idle, args...)
	case now.Role == Current:
		w.Logger.Info("this version is current: it gets all new work", args...)
	case now.Role == Ramping:
		w.Logger.Info("this version is ramping: it gets a part of the new work", append(args, "percent", now.State.RampPercent)...)
	case w.Own == (Version{}):
		w.Logger.Warn("this worker gets no new work: a version is current, and it has none", "current", Name(now.State.Current))
	default:
		w.Logger.Warn("this version is not current: it gets no new work", append(args,
			"current", Name(now.State.Current), "run", SetCurrent(w.Own))...)
	}
}
