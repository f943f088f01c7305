package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/platforms"
)

// capacityOwner keeps the reports that it gets.
type capacityOwner struct {
	Runs
	mu      sync.Mutex
	reports []pressure.Report
	at      []time.Time
	reduced *pressure.Reduction
	err     error
}

func (o *capacityOwner) Reserve(_ context.Context, platform string, req ReserveRequest) (ReserveResult, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if platform != "main" || req.Limit != 10 {
		return ReserveResult{}, errors.New("of something else")
	}
	o.reports, o.at = append(o.reports, *req.Pressure), append(o.at, time.Now())
	return ReserveResult{Reduced: o.reduced}, o.err
}

func (o *capacityOwner) said() []pressure.Report {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reports
}

var busy = &conversation.Error{Kind: conversation.RateLimited, Op: "onerun: get conversation", Err: errors.New("429"), RetryAfter: time.Minute}

func newMeter(o *capacityOwner) (*Pressure, *meter) {
	p := NewPressure(PressureConfig{Runs: o})
	return p, p.of(platforms.Instance{Name: "main", MaxOpen: 10})
}

// While all is well a worker reports nothing, however much it calls.
func TestPressureSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &capacityOwner{}
		p, m := newMeter(o)
		for range 1000 {
			m.note(t.Context(), "list", "inbox", time.Now(), nil)
			m.note(t.Context(), "claim", "c", time.Now(), &conversation.Error{Kind: conversation.Claimed})
			time.Sleep(time.Second)
		}
		p.Stop()
		require.Empty(t, o.said())
	})
}

// Bad calls are reported together half a window later, with the calls around them.
func TestPressureReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &capacityOwner{}
		p, m := newMeter(o)
		for range 30 { // older calls do not count
			m.note(t.Context(), "list", "inbox", time.Now(), nil)
		}
		time.Sleep(pressure.DefaultWindow)
		m.note(t.Context(), "list", "inbox", time.Now(), nil)
		for i := range 12 {
			m.note(t.Context(), "transcript", fmt.Sprint("c", i), time.Now(), busy)
			m.note(t.Context(), "transcript", fmt.Sprint("c", i), time.Now(), busy)
		}
		synctest.Wait()
		require.Empty(t, o.said())
		time.Sleep(pressure.DefaultWindow / 2)
		synctest.Wait()
		require.Equal(t, []pressure.Report{{
			Window: pressure.DefaultWindow, Calls: 25, Bad: 24, Wait: time.Minute, Reason: "onerun: get conversation: 429",
			Failing: []string{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"},
		}}, o.said())
		p.Stop()
	})
}

// While the limit is reduced good calls are reported too, once a window, and no
// more once it is restored.
func TestPressureReportsGoodCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &capacityOwner{reduced: &pressure.Reduction{Limit: 5}}
		p, m := newMeter(o)
		m.learn(o.reduced)
		call := func(n int) {
			for range n {
				m.note(t.Context(), "list", "inbox", time.Now(), nil)
				time.Sleep(100 * time.Millisecond)
			}
		}
		call(600) // a minute
		require.InDelta(t, 6, len(o.said()), 1)
		require.InDelta(t, 100, o.said()[3].Calls, 1)
		require.Zero(t, o.said()[3].Bad)
		o.mu.Lock()
		o.reduced, o.reports = nil, nil
		o.mu.Unlock()
		call(600)
		require.Len(t, o.said(), 1)
		p.Stop()
	})
}

// What is no sign of the platform's does not count.
func TestPressureLeavesOut(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func(*meter){
		"APersonaThatThinks": func(m *meter) {
			m.note(t.Context(), callSend, "c", time.Now().Add(-2*time.Minute),
				&conversation.Error{Kind: conversation.Unavailable, Err: context.DeadlineExceeded})
		},
		"ASlowSend":    func(m *meter) { m.note(t.Context(), callSend, "c", time.Now().Add(-time.Hour), nil) },
		"AStop":        func(m *meter) { m.note(gone, "claim", "c", time.Now(), busy) },
		"ACancelledOp": func(m *meter) { m.note(t.Context(), "claim", "c", time.Now(), context.Canceled) },
		"NotFound": func(m *meter) {
			m.note(t.Context(), "claim", "c", time.Now(), &conversation.Error{Kind: conversation.NotFound})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, m := newMeter(&capacityOwner{})
			for range 100 {
				call(m)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			require.Nil(t, m.next)
			require.Zero(t, m.report.Bad)
			p.stop()
		})
	}
}

// No limit, no meter; the same where the configuration says so.
func TestPressureOff(t *testing.T) {
	t.Parallel()
	p, _ := newMeter(&capacityOwner{})
	require.Nil(t, p.of(platforms.Instance{Name: "a"}))
	require.Nil(t, p.of(platforms.Instance{Name: "a", MaxOpen: 3, FixedMaxOpen: true}))
	var none *Pressure
	require.Nil(t, none.of(platforms.Instance{Name: "a", MaxOpen: 3}))
	none.Stop()
	(*meter)(nil).note(t.Context(), "list", "x", time.Now(), busy)
	(*meter)(nil).learn(nil)
}

// A stop waits for the report that is on its way, and keeps later ones back.
func TestPressureStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &capacityOwner{err: errors.New("no server")}
		p, m := newMeter(o)
		m.note(t.Context(), "claim", "c", time.Now(), busy)
		p.Stop()
		m.note(t.Context(), "claim", "d", time.Now(), busy)
		time.Sleep(time.Hour)
		require.Empty(t, o.said())
	})
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const usual = 500 * time.Millisecond
		b := &baseline{}
		slow := func(took time.Duration) bool {
			_, is := b.judge(took)
			time.Sleep(took)
			return is
		}
		require.False(t, slow(2*usual), "the first calls of a connection")
		for range 100 {
			require.False(t, slow(usual))
		}
		require.InDelta(t, float64(usual), float64(b.usual), float64(usual)/20)
		require.False(t, slow(3*usual))
		require.True(t, slow(5*usual))
		// One that has become slower for good is the usual one after some minutes.
		begun, n := time.Now(), 0
		for slow(5 * usual) {
			n++
			require.Less(t, time.Since(begun), 10*time.Minute)
		}
		require.Greater(t, time.Since(begun), 30*time.Second)
		require.Greater(t, n, 10)
	})
	b := &baseline{}
	for range 100 {
		_, slow := b.judge(time.Millisecond)
		require.False(t, slow)
	}
	_, slow := b.judge(900 * time.Millisecond)
	require.False(t, slow, "many times a short time is still short")
	_, slow = b.judge(2 * time.Second)
	require.True(t, slow)
}

// A busyPlatform has too much to do, whatever it is asked.
type busyPlatform struct {
	platforms.Platform
	err error
}

func (p busyPlatform) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, p.err
}

type busyConversations struct{ busyPlatform }

func (p busyConversations) Claim(context.Context, conversation.Ref) error { return p.err }
func (p busyConversations) End(context.Context, conversation.Ref) error   { return p.err }
func (p busyConversations) Send(context.Context, conversation.Ref, platforms.Send) (platforms.Reply, error) {
	return platforms.Reply{}, p.err
}

func (p busyConversations) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	return platforms.Transcript{}, p.err
}

type busyTasks struct{ busyPlatform }

func (p busyTasks) Claim(context.Context, conversation.Ref, platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{}, p.err
}

func (p busyTasks) FindClaim(context.Context, conversation.Ref, platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{}, p.err
}

func (p busyTasks) Cancelled(context.Context, conversation.Ref, platforms.Receipt) (bool, error) {
	return false, p.err
}

func (p busyTasks) Report(context.Context, conversation.Ref, platforms.Report) error { return p.err }

type busySource struct{ err error }

func (p busySource) Assigned(context.Context, string, string) ([]platforms.Assignment, error) {
	return nil, p.err
}

func (p busySource) Open(context.Context, string, string) ([]platforms.Assignment, error) {
	return nil, p.err
}

// Every call of every shape is counted, and its error comes through.
func TestMeasuredCalls(t *testing.T) {
	t.Parallel()
	p, m := newMeter(&capacityOwner{})
	p.stop()
	talk := measuredConversations{busyConversations{busyPlatform{err: busy}}, m}
	tasks := measuredTasks{busyTasks{busyPlatform{err: busy}}, m}
	lists := measuredSource{busySource{busy}, m, "inbox/main//a"}
	ref := conversation.Ref{Platform: "main", Agent: "a", ID: "c"}
	ctx := t.Context()
	calls := []func() error{
		func() error { return talk.Claim(ctx, ref) },
		func() error { _, err := talk.Context(ctx, ref); return err },
		func() error { _, err := talk.Transcript(ctx, ref); return err },
		func() error { _, err := talk.Send(ctx, ref, platforms.Send{}); return err },
		func() error { return talk.End(ctx, ref) },
		func() error { _, err := tasks.Claim(ctx, ref, platforms.Claim{}); return err },
		func() error { _, err := tasks.FindClaim(ctx, ref, platforms.Claim{}); return err },
		func() error { _, err := tasks.Context(ctx, ref); return err },
		func() error { _, err := tasks.Cancelled(ctx, ref, platforms.Receipt{}); return err },
		func() error { return tasks.Report(ctx, ref, platforms.Report{}) },
		func() error { _, err := lists.Assigned(ctx, "", "a"); return err },
		func() error { _, err := lists.Open(ctx, "", "a"); return err },
	}
	for i, call := range calls {
		require.Equal(t, busy, call())
		require.Equal(t, i+1, m.report.Bad)
	}
	require.Equal(t, []string{ref.String(), "inbox/main//a"}, m.report.Failing)

	lists.Source = busySource{&platforms.RowError{ID: "r", Err: busy}}
	_, err := lists.Assigned(ctx, "", "a")
	require.Error(t, err)
	require.Equal(t, len(calls), m.report.Bad, "the fault of a row may be an old one")
}
