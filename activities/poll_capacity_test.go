package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// world is a platform with conversations and a Temporal that runs them, in the time of
// a test. It counts at the platform.
type world struct {
	mu      sync.Mutex
	waiting []platforms.Assignment
	open    []activities.Reservation // what the owner of the capacity holds
	limit   int
	seq     int64
	running map[string]chan struct{} // closed when it ends
	ended   map[string]time.Time

	claim    time.Duration // until a started conversation is not listed any more
	lasts    time.Duration // how long a conversation runs
	most     int           // that ran at the same time
	twice    []string      // started while they ran
	starts   int
	fails    func(id string) error // of a start, before it happens
	rows     func() error
	polls    int
	began    map[string]time.Time
	listings []time.Time
}

func newWorld(limit int) *world {
	return &world{limit: limit, running: make(map[string]chan struct{}), ended: make(map[string]time.Time), began: make(map[string]time.Time)}
}

// wait adds conversations of an agent that wait.
func (w *world) wait(agent string, n int) {
	for i := range n {
		w.waiting = append(w.waiting, platforms.Assignment{Ref: conversation.Ref{
			Platform: "fake", Project: "p", Simulation: fmt.Sprintf("s%d", i%3), Agent: agent, ID: fmt.Sprintf("%s-%d", agent, i),
		}, Created: time.Unix(int64(i), 0)})
	}
}

type agentSource struct {
	*fakePlatform
	w *world
}

func (s agentSource) Assigned(_ context.Context, _, agent string) ([]platforms.Assignment, error) {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polls++
	w.listings = append(w.listings, time.Now())
	var out []platforms.Assignment
	for _, a := range w.waiting {
		if a.Ref.Agent == agent {
			out = append(out, a)
		}
	}
	if w.rows != nil {
		return out, w.rows()
	}
	return out, nil
}

func (agentSource) Open(context.Context, string, string) ([]platforms.Assignment, error) {
	return nil, nil
}

func (w *world) Start(_ context.Context, req activities.StartRequest) (string, bool, error) {
	time.Sleep(20 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	id := req.Ref.String()
	if w.fails != nil {
		if err := w.fails(req.Ref.ID); err != nil {
			return id, false, err
		}
	}
	if _, ok := w.ended[id]; ok {
		return id, false, nil
	}
	if _, ok := w.running[id]; ok {
		w.twice = append(w.twice, id)
		return id, false, nil
	}
	over := make(chan struct{})
	w.running[id] = over
	w.began[id] = time.Now()
	w.starts++
	w.most = max(w.most, len(w.running))
	time.AfterFunc(w.claim, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting = slices.DeleteFunc(w.waiting, func(a platforms.Assignment) bool { return a.Ref == req.Ref })
	})
	time.AfterFunc(w.lasts, func() { w.end(id) })
	return id, true, nil
}

func (w *world) end(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if over, ok := w.running[id]; ok {
		delete(w.running, id)
		w.ended[id] = time.Now()
		close(over)
	}
}

// Open is seconds behind, as visibility is.
func (w *world) ListOpen(context.Context, string) (out []activities.OpenRun, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.running {
		if time.Since(w.began[id]) > 3*time.Second {
			out = append(out, activities.OpenRun{WorkflowID: id})
		}
	}
	for id, at := range w.ended {
		if time.Since(at) < 3*time.Second {
			out = append(out, activities.OpenRun{WorkflowID: id})
		}
	}
	return out, nil
}

func (w *world) Describe(_ context.Context, id string) (activities.RunInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, running := w.running[id]
	at, ended := w.ended[id]
	return activities.RunInfo{Exists: running || ended, Running: running, Closed: at}, nil
}

func (w *world) WaitClosed(ctx context.Context, id string) {
	w.mu.Lock()
	over := w.running[id]
	w.mu.Unlock()
	if over == nil {
		return
	}
	select {
	case <-over:
	case <-ctx.Done():
	}
}

func (w *world) Capacity(context.Context, string) (activities.CapacityStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return activities.CapacityStatus{Limit: w.limit, Open: slices.Clone(w.open)}, nil
}

// Reserve is what the workflow Capacity does, as far as it matters here.
func (w *world) Reserve(_ context.Context, _ string, req activities.ReserveRequest) (out activities.ReserveResult, _ error) {
	time.Sleep(10 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range req.Ended {
		w.open = slices.DeleteFunc(w.open, func(o activities.Reservation) bool { return o.ID == p.ID && o.Seq == p.Seq })
	}
	for _, p := range req.Unused {
		w.open = slices.DeleteFunc(w.open, func(o activities.Reservation) bool {
			return o.ID == p.ID && o.Seq == p.Seq && time.Since(o.Since) >= activities.ReservationLost
		})
	}
	for _, p := range req.Found {
		w.give(p)
	}
	for _, p := range req.Wanted {
		switch {
		case slices.ContainsFunc(w.open, func(o activities.Reservation) bool { return o.ID == p.ID }):
			out.Known = append(out.Known, p.ID)
		case len(w.open) < w.limit:
			out.Granted = append(out.Granted, w.give(p))
		}
	}
	out.Open = len(w.open)
	return out, nil
}

func (w *world) give(p activities.Reservation) activities.Reservation {
	w.seq++
	p.Seq, p.Since = w.seq, time.Now()
	w.open = append(w.open, p)
	return p
}

func (w *world) RemoveLimit(context.Context, string) error { return nil }

// polling runs the polls of agents on so many workers until all has ended, or for so
// long.
func (w *world) polling(t *testing.T, workers int, agents []string, in activities.PollInput) (last activities.PollResult) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, agent := range agents {
		inboxes := make([]*activities.Inbox, workers)
		for n := range inboxes {
			inbox, err := activities.NewInbox(activities.InboxConfig{
				Platforms: map[string]platforms.Instance{"fake": {Name: "fake", MaxOpen: w.limit, Platform: agentSource{&fakePlatform{}, w}}},
				Runs:      w,
			})
			require.NoError(t, err)
			inboxes[n] = inbox
		}
		all.Go(func() {
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(quiet{})
			env := suite.NewTestActivityEnvironment()
			env.SetTestTimeout(24 * time.Hour)
			inboxes[i%workers].Register(env)
			in := in
			in.Platform, in.Project, in.Agent = "fake", "p", agent
			value, err := env.ExecuteActivity(activities.PollName, in)
			if !errors.Is(err, nil) {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if err := value.Get(&last); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return last
}

// Three workers, four agents, claims that take longer than the time between two polls:
// never more than the limit are open, none is started twice, and all places are used.
func TestPollKeepsTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(10)
		w.claim, w.lasts = 5*time.Second, 20*time.Second
		agents := []string{"a", "b", "c", "d"}
		for _, agent := range agents {
			w.wait(agent, 30)
		}
		w.polling(t, 3, agents, activities.PollInput{Settings: activities.InboxSettings{Interval: 500 * time.Millisecond, PollFor: 8 * time.Minute}})
		require.Equal(t, 120, w.starts)
		require.LessOrEqual(t, w.most, 10)
		require.Equal(t, 10, w.most)
		require.Empty(t, w.twice)
		require.Empty(t, w.open)
	})
}

// Capacity reserved by a worker that died before it used it is free again after a minute, one whose
// conversation was terminated at once.
func TestPollFindsLostCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(2)
		w.claim, w.lasts = time.Second, time.Hour
		w.wait("a", 3)
		w.give(activities.Reservation{ID: "fake/p/lost"})
		begun := time.Now()
		time.AfterFunc(10*time.Second, func() { w.end("fake/p/a-0") })
		w.polling(t, 1, []string{"a"}, activities.PollInput{Settings: activities.InboxSettings{Interval: time.Second, PollFor: 5 * time.Minute}})
		require.Equal(t, 3, w.starts)
		require.LessOrEqual(t, w.most, 2)
		require.Less(t, w.began["fake/p/a-1"].Sub(begun), 12*time.Second, "its place was free")
		lost := w.began["fake/p/a-2"].Sub(begun)
		require.Greater(t, lost, activities.ReservationLost)
		require.Less(t, lost, activities.ReservationLost+30*time.Second)
	})
}

// What cannot be read or started is left out and named, and holds up nothing.
func TestPollSkips(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(0)
		w.claim, w.lasts = time.Second, time.Minute
		w.wait("a", 10)
		w.waiting[0].Ref.ID = "ü" // the oldest
		w.rows = func() error {
			return errors.Join(
				&platforms.RowError{ID: "odd", Simulation: "s1", Err: errors.New("persona.summary is a number")},
				&platforms.RowError{Simulation: "s9", Err: &conversation.Error{Kind: conversation.NotFound, Err: errors.New("404")}},
			)
		}
		refusals := 0
		w.fails = func(id string) error {
			if id != "ü" {
				return nil
			}
			refusals++
			return &conversation.Error{Kind: conversation.Invalid, Err: errors.New("not ASCII")}
		}
		begun := time.Now()
		out := w.polling(t, 1, []string{"a"}, activities.PollInput{Settings: activities.InboxSettings{Interval: time.Second, PollFor: 9 * time.Minute}})
		require.Nil(t, out.Failure)
		require.Equal(t, 9, w.starts)
		for id, at := range w.began {
			require.Less(t, at.Sub(begun), 2*time.Second, id)
		}
		require.LessOrEqual(t, refusals, 5, "it is retried less and less often")
		require.Equal(t, 3, out.SkippedCount)
		var reasons []string
		for _, s := range out.Skipped {
			reasons = append(reasons, s.ID+": "+s.Reason)
		}
		require.ElementsMatch(t, []string{"odd: persona.summary is a number", ": 404", "ü: not ASCII"}, reasons)
		require.Empty(t, out.LastError)
		require.Greater(t, w.polls, 400, "what is skipped does not make the others wait")
	})
}
