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
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// source lists what a test says, and keeps when it was asked.
type source struct {
	*fakePlatform
	assigned func(n int) ([]platforms.Assignment, error) // n counts from 1
	open     func() ([]platforms.Assignment, error)
	next     func() time.Time

	mu       sync.Mutex
	listed   []time.Time
	searched []time.Time
}

func (s *source) Assigned(context.Context, string, string) ([]platforms.Assignment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = append(s.listed, time.Now())
	if s.assigned == nil {
		return nil, nil
	}
	return s.assigned(len(s.listed))
}

func (s *source) Open(context.Context, string, string) ([]platforms.Assignment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.searched = append(s.searched, time.Now())
	if s.open == nil {
		return nil, nil
	}
	return s.open()
}

func (s *source) Next() time.Time {
	if s.next == nil {
		return time.Time{}
	}
	return s.next()
}

// gaps are the times between listings.
func (s *source) gaps() (out []time.Duration) {
	for i := 1; i < len(s.listed); i++ {
		out = append(out, s.listed[i].Sub(s.listed[i-1]))
	}
	return out
}

// runs is a Temporal whose answers a test sets.
type runs struct {
	mu       sync.Mutex
	start    func(activities.StartRequest) (bool, error)
	started  []activities.StartRequest
	open     []activities.OpenRun
	info     map[string]activities.RunInfo
	closed   map[string]chan struct{}
	status   activities.CapacityStatus
	seq      int64
	requests []activities.ReserveRequest
	queries  int
	removed  int
	fails    map[string]error // by method
}

func newRuns(limit int) *runs {
	return &runs{
		info: make(map[string]activities.RunInfo), closed: make(map[string]chan struct{}), fails: make(map[string]error),
		status: activities.CapacityStatus{Limit: limit},
	}
}

func (r *runs) Start(_ context.Context, req activities.StartRequest) (string, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = append(r.started, req)
	id := req.Ref.String()
	ok := true
	if r.start != nil {
		var err error
		if ok, err = r.start(req); err != nil {
			return id, false, err
		}
	}
	if ok {
		r.info[id] = activities.RunInfo{Exists: true, Running: true}
		r.closed[id] = make(chan struct{})
	}
	return id, ok, nil
}

func (r *runs) ListOpen(context.Context, string) ([]activities.OpenRun, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.open), r.fails["list"]
}

func (r *runs) Describe(_ context.Context, id string) (activities.RunInfo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.info[id], r.fails["describe"]
}

func (r *runs) WaitClosed(ctx context.Context, id string) {
	r.mu.Lock()
	closed := r.closed[id]
	r.mu.Unlock()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

func (r *runs) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.info[id] = activities.RunInfo{Exists: true, Closed: time.Now()}
	close(r.closed[id])
}

func (r *runs) Capacity(context.Context, string) (activities.CapacityStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queries++
	s := r.status
	s.Open = slices.Clone(s.Open)
	return s, r.fails["capacity"]
}

func (r *runs) Reserve(_ context.Context, _ string, req activities.ReserveRequest) (out activities.ReserveResult, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fails["reserve"]; err != nil {
		return out, err
	}
	r.requests = append(r.requests, req)
	s := &r.status
	unused := slices.DeleteFunc(slices.Clone(req.Unused), func(u activities.Reservation) bool {
		return time.Since(u.Since) < activities.ReservationLost
	})
	for _, gone := range slices.Concat(req.Ended, req.Parked, req.Stranded, unused) {
		s.Open = slices.DeleteFunc(s.Open, func(o activities.Reservation) bool { return o == gone })
	}
	s.Parked, s.Stranded = append(s.Parked, req.Parked...), append(s.Stranded, req.Stranded...)
	for _, f := range req.Found {
		r.grant(f)
	}
	for _, w := range req.Wanted {
		switch {
		case slices.ContainsFunc(s.Open, func(o activities.Reservation) bool { return o.ID == w.ID }):
			out.Known = append(out.Known, w.ID)
		case len(s.Open) < req.Limit:
			out.Granted = append(out.Granted, r.grant(w))
		}
	}
	out.CapacityCounts = activities.CapacityCounts{Open: len(s.Open), Parked: len(s.Parked), Stranded: len(s.Stranded)}
	return out, nil
}

func (r *runs) grant(w activities.Reservation) activities.Reservation {
	r.seq++
	w.Seq, w.Since = r.seq, time.Now()
	r.status.Open = append(r.status.Open, w)
	return w
}

func (r *runs) RemoveLimit(context.Context, string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed++
	return r.fails["remove"]
}

// ids are the conversations started, in order.
func (r *runs) ids() (out []string) {
	for _, req := range r.started {
		out = append(out, req.Ref.ID)
	}
	return out
}

// sum adds up what the reservations of a kind named.
func (r *runs) sum(of func(activities.ReserveRequest) []activities.Reservation) (out []string) {
	for _, req := range r.requests {
		for _, res := range of(req) {
			out = append(out, res.ID)
		}
	}
	return out
}

// bench is one worker with one platform.
type bench struct {
	t      *testing.T
	source *source
	runs   *runs
	inbox  *activities.Inbox
	in     activities.PollInput
	beats  activities.HeartbeatClient
	limit  int
	before func(context.Context) context.Context // of the activity
	setup  func(*testsuite.TestActivityEnvironment)
}

func newBench(t *testing.T, limit int) *bench {
	b := &bench{t: t, source: &source{fakePlatform: &fakePlatform{}}, runs: newRuns(limit), limit: limit}
	b.in = activities.PollInput{Platform: "fake", Project: "p", Agent: "a", Settings: activities.InboxSettings{Interval: 10 * time.Second, PollFor: 5 * time.Minute}}
	return b
}

func (b *bench) waiting(ids ...string) {
	b.source.mu.Lock()
	defer b.source.mu.Unlock()
	b.source.assigned = func(int) ([]platforms.Assignment, error) { return assignments(ids...), nil }
}

func assignments(ids ...string) (out []platforms.Assignment) {
	for i, id := range ids {
		out = append(out, platforms.Assignment{
			Ref:     conversation.Ref{Platform: "fake", Project: "p", Simulation: "s-" + id[:1], Agent: "a", ID: id},
			Created: time.Unix(int64(i), 0),
		})
	}
	return out
}

func (b *bench) poll() (out activities.PollResult) {
	b.t.Helper()
	value, err := b.execute()
	require.NoError(b.t, err)
	require.NoError(b.t, value.Get(&out))
	return out
}

func (b *bench) execute() (interface{ Get(any) error }, error) {
	b.t.Helper()
	if b.inbox == nil {
		inbox, err := activities.NewInbox(activities.InboxConfig{
			Platforms:  map[string]platforms.Instance{"fake": {Name: "fake", MaxOpen: b.limit, Platform: b.source}},
			Runs:       b.runs,
			Heartbeats: b.beats,
			Worker:     "w1",
		})
		require.NoError(b.t, err)
		b.inbox = inbox
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(24 * time.Hour)
	if b.setup != nil {
		b.setup(env)
	}
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.PollInput) (activities.PollResult, error) {
		if b.before != nil {
			ctx = b.before(ctx)
		}
		return b.inbox.Poll(ctx, in)
	}, activity.RegisterOptions{Name: activities.PollName})
	return env.ExecuteActivity(activities.PollName, b.in)
}

// bubble runs a test in a synctest bubble.
func bubble(t *testing.T, limit int, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newBench(t, limit)) })
}

func TestPollKeepsItsInterval(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		out := b.poll()
		require.False(t, out.HandedOver)
		require.Equal(t, "w1", out.Worker)
		require.WithinDuration(t, time.Now(), out.LastPoll, time.Minute)
		require.GreaterOrEqual(t, len(b.source.gaps()), 20)
		different := make(map[time.Duration]bool)
		for _, gap := range b.source.gaps() {
			require.GreaterOrEqual(t, gap, 10*time.Second)
			require.LessOrEqual(t, gap, 12500*time.Millisecond)
			different[gap] = true
		}
		require.Greater(t, len(different), 5, "jitter")
	})
}

func TestPollHasDefaults(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.in.Settings = activities.InboxSettings{}
		b.before = func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(ctx, 9*time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		require.True(t, b.poll().HandedOver, "it would go on")
		require.InDelta(t, 2*time.Second, b.source.gaps()[0], float64(time.Second))
	})
}

func TestPollBacksOffAndObeysRetryAfter(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.in.Settings.PollFor = 9 * time.Minute
		b.source.assigned = func(n int) ([]platforms.Assignment, error) {
			e := &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}
			switch {
			case n == 6:
				e.RetryAfter = 4 * time.Minute
			case n > 6:
				return nil, nil
			}
			return nil, e
		}
		out := b.poll()
		for i, want := range []time.Duration{4, 8, 16, 32, 60, 240, 10} {
			require.GreaterOrEqual(t, b.source.gaps()[i], want*time.Second, "gap %d", i)
			require.LessOrEqual(t, b.source.gaps()[i], want*time.Second*5/4, "gap %d", i)
		}
		require.Empty(t, out.LastError, "it has recovered")
	})
}

func TestPollShowsItsLastError(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.source.assigned = func(int) ([]platforms.Assignment, error) { return nil, errors.New("connection refused") }
		require.Contains(t, b.poll().LastError, "connection refused")
	})
}

func TestPollFollowsHints(t *testing.T) {
	for name, c := range map[string]struct{ hint, least, most time.Duration }{
		"sooner":    {3 * time.Second, 3 * time.Second, 3 * time.Second},
		"too soon":  {time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond},
		"too late":  {time.Hour, 10 * time.Second, 12500 * time.Millisecond},
		"in past":   {-time.Hour, 10 * time.Second, 12500 * time.Millisecond},
		"no longer": {11 * time.Second, 10 * time.Second, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 0, func(t *testing.T, b *bench) {
				b.in.Settings.PollFor = time.Minute
				b.source.next = func() time.Time { return time.Now().Add(c.hint) }
				b.poll()
				for _, gap := range b.source.gaps() {
					require.GreaterOrEqual(t, gap, c.least)
					require.LessOrEqual(t, gap, c.most)
				}
			})
		})
	}
}

// While there is no capacity, the platform is listed a fifth as often; a conversation
// that ends is replaced at once.
func TestPollWithoutCapacity(t *testing.T) {
	bubble(t, 1, func(t *testing.T, b *bench) {
		b.in.Settings.Interval = 2 * time.Second
		b.waiting("a1", "a2")
		var freed, replaced time.Time
		b.runs.start = func(req activities.StartRequest) (bool, error) {
			if req.Ref.ID == "a2" {
				replaced = time.Now()
			}
			return true, nil
		}
		time.AfterFunc(90*time.Second, func() {
			freed = time.Now()
			b.waiting("a2")
			b.runs.end("fake/p/a1")
		})
		out := b.poll()
		require.Equal(t, []string{"a1", "a2"}, b.runs.ids())
		require.Equal(t, freed, replaced)
		require.Equal(t, 2, out.Started)
		require.Equal(t, 1, out.Open)
		require.Equal(t, 1, out.Limit)
		require.LessOrEqual(t, len(b.source.listed), 300/10+4)
		require.Contains(t, b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Ended }), "fake/p/a1")
		require.Equal(t, 1, b.runs.started[0].Limit)
		require.NotZero(t, b.runs.started[0].Reservation.Seq)
	})
}

func TestPollIsCancelled(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.waiting("a1")
		b.before = func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		begun := time.Now()
		out := b.poll()
		require.True(t, out.HandedOver)
		require.Equal(t, 1, out.Started, "the counts are kept")
		require.Equal(t, time.Minute, time.Since(begun))
	})
}

// refusing answers heartbeats with an error.
type refusing struct{ err error }

func (r refusing) RecordActivityHeartbeatWithOptions(context.Context, client.RecordActivityHeartbeatOptions) error {
	return r.err
}

func (refusing) CompleteActivityWithOptions(context.Context, client.CompleteActivityOptions) error {
	return nil
}

// A poll asks before it starts anything whether its inbox still wants it.
func TestPollAsksBeforeItStarts(t *testing.T) {
	released := func(b *bench) []string {
		return b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Ended })
	}
	t.Run("paused", func(t *testing.T) {
		bubble(t, 5, func(t *testing.T, b *bench) {
			b.waiting("a1", "a2")
			b.beats = refusing{temporal.NewCanceledError()}
			begun := time.Now()
			out := b.poll()
			require.True(t, out.HandedOver)
			require.Less(t, time.Since(begun), time.Second, "at once")
			require.Empty(t, b.runs.started)
			require.Zero(t, out.Started)
		})
	})
	t.Run("server away", func(t *testing.T) {
		bubble(t, 5, func(t *testing.T, b *bench) {
			b.waiting("a1")
			b.beats = refusing{errors.New("no route")}
			out := b.poll()
			require.Empty(t, b.runs.started)
			require.Contains(t, out.LastError, "record heartbeat")
			require.Contains(t, released(b), "fake/p/a1")
		})
	})
}

func TestPollIsHandedOverWhenItsWorkerStops(t *testing.T) {
	t.Run("while it waits", func(t *testing.T) {
		bubble(t, 0, func(t *testing.T, b *bench) {
			stop := make(chan struct{})
			b.setup = func(env *testsuite.TestActivityEnvironment) { env.SetWorkerStopChannel(stop) }
			time.AfterFunc(42*time.Second, func() { close(stop) })
			begun := time.Now()
			require.True(t, b.poll().HandedOver)
			require.Equal(t, 42*time.Second, time.Since(begun))
		})
	})
	t.Run("while it starts", func(t *testing.T) {
		bubble(t, 0, func(t *testing.T, b *bench) {
			stop := make(chan struct{})
			b.setup = func(env *testsuite.TestActivityEnvironment) { env.SetWorkerStopChannel(stop) }
			var ids []string
			for i := range 100 {
				ids = append(ids, fmt.Sprint("a", i))
			}
			b.waiting(ids...)
			var once sync.Once
			b.runs.start = func(activities.StartRequest) (bool, error) {
				once.Do(func() { close(stop) })
				return true, nil
			}
			out := b.poll()
			require.True(t, out.HandedOver)
			require.Equal(t, 32, out.Started, "the batch and no other")
		})
	})
}

// Capacity is shared fairly between simulations, and those served last come last, over
// polls too.
func TestPollIsFair(t *testing.T) {
	bubble(t, 2, func(t *testing.T, b *bench) {
		b.in.Settings.PollFor = time.Second
		b.waiting("a1", "a2", "a3", "b1", "c1")
		out := b.poll()
		require.ElementsMatch(t, []string{"a1", "b1"}, b.runs.ids())
		require.ElementsMatch(t, []string{"s-a", "s-b"}, out.Served)
		for _, id := range []string{"fake/p/a1", "fake/p/b1"} {
			b.runs.end(id)
		}
		b.waiting("a2", "a3", "b2", "c1")
		b.in.Served, b.inbox = out.Served, nil
		b.in.Settings.PollFor = 2 * time.Minute
		b.poll()
		require.Contains(t, b.runs.ids()[2:4], "c1", "it was never served")
	})
}

func TestPollAdopts(t *testing.T) {
	bubble(t, 5, func(t *testing.T, b *bench) {
		b.in.Settings.AdoptAfter = time.Minute
		all := assignments("a-old", "a-new", "a-running")
		all[0].Touched, all[1].Touched, all[2].Touched = time.Now().Add(-time.Hour), time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
		b.runs.start = func(req activities.StartRequest) (bool, error) { return req.Ref.ID != "a-running", nil }
		b.runs.info["fake/p/a-running"] = activities.RunInfo{Exists: true, Running: true}
		b.source.open = func() ([]platforms.Assignment, error) {
			return slices.Clone(all), &platforms.RowError{ID: "odd", Err: errors.New("unreadable")}
		}
		out := b.poll()
		require.Subset(t, b.runs.ids(), []string{"a-old", "a-running"})
		require.NotContains(t, b.runs.ids(), "a-new")
		require.True(t, b.runs.started[0].Adopt)
		require.Equal(t, 1, out.Adopted)
		require.Equal(t, 1, out.Started)
		require.Equal(t, 1, out.SkippedCount)
		require.Empty(t, out.LastError)
		for i := 1; i < len(b.source.searched); i++ {
			require.GreaterOrEqual(t, b.source.searched[i].Sub(b.source.searched[i-1]), 30*time.Second)
		}
	})
}

func TestPollAdoptsNothingWithoutCapacity(t *testing.T) {
	bubble(t, 1, func(t *testing.T, b *bench) {
		b.in.Settings.AdoptAfter = time.Minute
		b.source.open = func() ([]platforms.Assignment, error) { return assignments("a1", "a2", "a3"), nil }
		b.poll()
		require.Equal(t, []string{"a1"}, b.runs.ids())
		require.Len(t, b.source.searched, 1)
	})
}

func TestPollCountsOrphans(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.in.Settings.PollFor = 9 * time.Minute
		b.source.open = func() ([]platforms.Assignment, error) { return assignments("a1", "a2"), nil }
		b.runs.info["fake/p/a2"] = activities.RunInfo{Exists: true, Running: true}
		out := b.poll()
		require.Equal(t, 1, out.Orphans)
		require.False(t, out.OrphansAt.IsZero())
		require.Empty(t, b.runs.started)
		require.Len(t, b.source.searched, 1, "every ten minutes")
		b.runs.fails["describe"] = errors.New("no answer")
		b.in.Settings.PollFor = time.Second
		require.Contains(t, b.poll().LastError, "describe conversations in progress: no answer")
	})
}

func TestPollEndsAtFinalErrors(t *testing.T) {
	for kind, final := range map[conversation.Kind]bool{
		conversation.Unauthorized: true, conversation.QuotaExhausted: true, conversation.NotFound: true, conversation.Invalid: true,
		conversation.Unavailable: false, conversation.RateLimited: false,
	} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, 0, func(t *testing.T, b *bench) {
				b.source.assigned = func(int) ([]platforms.Assignment, error) {
					return assignments("a1"), &conversation.Error{Kind: kind, Err: errors.New("refused"), Remedy: "ask"}
				}
				out := b.poll()
				require.Equal(t, final, out.Failure != nil)
				require.Equal(t, 1, out.Started, "what could be listed is started")
				if final {
					require.Equal(t, activities.PollFailure{Kind: kind, Reason: out.LastError, Remedy: "ask"}, *out.Failure)
				}
			})
		})
	}
}

func TestPollGoesOnFromADeadAttempt(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.waiting("a1")
		b.setup = func(env *testsuite.TestActivityEnvironment) {
			env.SetHeartbeatDetails(activities.PollStatus{Started: 7, Adopted: 2, Orphans: 3})
		}
		out := b.poll()
		require.Equal(t, 8, out.Started)
		require.Equal(t, 2, out.Adopted)
	})
}

// A start whose answer was lost keeps its reservation: the conversation may run.
func TestPollLosesTheAnswerOfAStart(t *testing.T) {
	bubble(t, 3, func(t *testing.T, b *bench) {
		b.waiting("a1")
		b.runs.start = func(req activities.StartRequest) (bool, error) {
			b.runs.info[req.Ref.String()] = activities.RunInfo{Exists: true, Running: true}
			return false, errors.New("deadline exceeded")
		}
		b.poll()
		require.Len(t, b.runs.started, 1, "it is not started twice")
		require.Len(t, b.runs.status.Open, 1)
		require.Empty(t, b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return slices.Concat(r.Ended, r.Unused) }))
	})
}

func TestPollReleasesWhatItDidNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		info activities.RunInfo
		kept int
	}{
		"refused":          {err: &conversation.Error{Kind: conversation.Invalid, Err: errors.New("too long")}},
		"it has run":       {info: activities.RunInfo{Exists: true, Closed: time.Unix(1, 0)}},
		"another poll ran": {info: activities.RunInfo{Exists: true, Running: true}, kept: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, func(t *testing.T, b *bench) {
				b.waiting("a1")
				b.runs.info["fake/p/a1"] = c.info
				b.runs.start = func(activities.StartRequest) (bool, error) { return false, c.err }
				out := b.poll()
				require.Len(t, b.runs.status.Open, c.kept)
				require.Zero(t, out.Started)
			})
		})
	}
}

func TestPollProbes(t *testing.T) {
	bubble(t, 3, func(t *testing.T, b *bench) {
		b.in.Probe = true
		b.waiting("a1", "a2")
		out := b.poll()
		require.Equal(t, 2, out.Waiting)
		require.Nil(t, out.Failure)
		require.Empty(t, b.runs.started)
		b.source.assigned = func(int) ([]platforms.Assignment, error) { return nil, errors.New("down") }
		out = b.poll()
		require.Equal(t, "down", out.Failure.Reason)
		require.Contains(t, out.Failure.Remedy, "doctor")
	})
}

func TestPollNeedsASource(t *testing.T) {
	t.Parallel()
	_, err := activities.NewInbox(activities.InboxConfig{})
	require.ErrorContains(t, err, "needs runs")
	b := newBench(t, 0)
	b.in.Platform = "other"
	_, err = b.execute()
	require.ErrorContains(t, err, "not configured on this worker")
	b.in.Platform = "fake"
	b.inbox, err = activities.NewInbox(activities.InboxConfig{
		Platforms: map[string]platforms.Instance{"fake": {Platform: &fakePlatform{}}}, Runs: b.runs,
	})
	require.NoError(t, err)
	_, err = b.execute()
	require.ErrorContains(t, err, "lists no conversations")
}

// Each of Temporal's answers may fail: the poll shows it, starts nothing and retries.
func TestPollWithoutTemporal(t *testing.T) {
	for method, limit := range map[string]int{"list": 3, "describe": 3, "capacity": 3, "reserve": 3, "remove": 0} {
		t.Run(method, func(t *testing.T) {
			bubble(t, limit, func(t *testing.T, b *bench) {
				b.waiting("a1")
				b.runs.open = []activities.OpenRun{{WorkflowID: "fake/p/x"}}
				b.runs.fails[method] = errors.New("temporal is away")
				b.in.Settings.PollFor = time.Minute
				out := b.poll()
				require.Contains(t, out.LastError, "temporal is away")
				require.Empty(t, b.runs.started)
			})
		})
	}
}

// The conversations that run are compared with the reservations.
func TestPollReconcilesCapacity(t *testing.T) {
	of := func(b *bench) map[string][]string {
		return map[string][]string{
			"found":    b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Found }),
			"ended":    b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Ended }),
			"unused":   b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Unused }),
			"parked":   b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Parked }),
			"stranded": b.runs.sum(func(r activities.ReserveRequest) []activities.Reservation { return r.Stranded }),
		}
	}
	for name, c := range map[string]struct {
		held bool
		info activities.RunInfo
		want string
	}{
		"runs without a reservation": {info: activities.RunInfo{Exists: true, Running: true}, want: "found"},
		"parked without one":         {info: activities.RunInfo{Exists: true, Running: true, Parked: true}},
		"runs":                       {held: true, info: activities.RunInfo{Exists: true, Running: true}},
		"was never started":          {held: true, want: "unused"},
		"parked":                     {held: true, info: activities.RunInfo{Exists: true, Running: true, Parked: true}, want: "parked"},
		"stranded":                   {held: true, info: activities.RunInfo{Exists: true, Running: true, Untaken: "activity 7"}, want: "stranded"},
		"has ended":                  {held: true, info: activities.RunInfo{Exists: true, Closed: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}, want: "ended"},
		"an earlier run has ended":   {held: true, info: activities.RunInfo{Exists: true, Closed: time.Unix(1, 0)}, want: "unused"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, func(t *testing.T, b *bench) {
				const id = "fake/p/x"
				b.runs.info[id], b.runs.closed[id] = c.info, make(chan struct{})
				if c.held {
					b.runs.grant(activities.Reservation{ID: id})
				} else {
					b.runs.open = []activities.OpenRun{{WorkflowID: id}}
				}
				b.poll()
				for kind, ids := range of(b) {
					require.Equal(t, kind == c.want, slices.Contains(ids, id), kind)
				}
			})
		})
	}
}

// Polls of one worker share the view of a platform instance: Capacity answers once.
func TestPollsShareAView(t *testing.T) {
	bubble(t, 4, func(t *testing.T, b *bench) {
		b.in.Settings.PollFor = 4 * time.Second
		b.in.Settings.Interval = time.Second
		b.poll()
		alone := b.runs.queries
		b.runs.queries = 0
		var all sync.WaitGroup
		for _, agent := range []string{"a", "b", "c"} {
			c := *b
			c.in.Agent = agent
			all.Go(func() { c.poll() })
		}
		all.Wait()
		require.Equal(t, alone, b.runs.queries)
		require.Equal(t, 1, alone)
	})
}

func TestPollWithoutALimitRemovesIt(t *testing.T) {
	bubble(t, 0, func(t *testing.T, b *bench) {
		b.runs.open = []activities.OpenRun{{WorkflowID: "fake/p/x", Simulation: "s"}}
		b.runs.info["fake/p/x"], b.runs.closed["fake/p/x"] = activities.RunInfo{Exists: true, Running: true}, make(chan struct{})
		b.waiting("x", "a1")
		out := b.poll()
		require.Equal(t, 1, b.runs.removed)
		require.Equal(t, []string{"a1"}, b.runs.ids(), "x runs already")
		require.Equal(t, 2, out.Open)
	})
}
