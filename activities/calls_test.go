package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
)

// temporalServer answers heartbeats as a test says.
type temporalServer struct {
	mu     sync.Mutex
	answer error
}

func (s *temporalServer) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = err
}

func (s *temporalServer) RecordActivityHeartbeatWithOptions(context.Context, client.RecordActivityHeartbeatOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer
}

func (s *temporalServer) CompleteActivityWithOptions(context.Context, client.CompleteActivityOptions) error {
	return nil
}

// A call whose attempt Temporal has given up is joined by the next attempt, and its
// result is there for one that comes later still. A call that the workflow cancels is
// cancelled.
func TestCallsOutliveTheirAttempts(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T, fake *executortest.Fake) (*temporalServer, func() (activities.ReplyResult, error)) {
		server := &temporalServer{}
		a, err := activities.NewConversation(activities.Config{
			Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: &fakePlatform{}}},
			Executors: oneExecutor{fake}, Heartbeats: server,
		})
		require.NoError(t, err)
		t.Cleanup(a.Wait)
		return server, func() (activities.ReplyResult, error) {
			e := newEnvOf(t, a)
			return run[activities.ReplyResult](t, e, a.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
		}
	}
	t.Run("joined", func(t *testing.T) {
		t.Parallel()
		asked, answer := make(chan func(), 1), make(chan struct{})
		var server *temporalServer
		fake := &executortest.Fake{Reply: func(ctx context.Context, req executors.Request) (executors.Result, error) {
			// The attempt hears that it was given up while its token is recorded.
			server.set(serviceerror.NewNotFound("activity"))
			req.OnAttach(json.RawMessage(`"run-1"`))
			close(asked)
			select {
			case <-answer:
				return executors.Result{Message: agent("bought once")}, nil
			case <-ctx.Done():
				return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: context.Cause(ctx)}
			}
		}}
		server, reply := setup(t, fake)
		_, err := reply()
		require.ErrorContains(t, err, "no longer the current one")
		<-asked
		server.set(nil)
		done := make(chan error, 1)
		var out activities.ReplyResult
		go func() {
			var err error
			out, err = reply()
			done <- err
		}()
		close(answer)
		require.NoError(t, <-done)
		require.Equal(t, "bought once", out.Message.Text())
		out, err = reply()
		require.NoError(t, err)
		require.Equal(t, "bought once", out.Message.Text(), "its record got lost")
		require.Len(t, fake.Requests(), 1)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		var server *temporalServer
		cause := make(chan error, 1)
		fake := &executortest.Fake{Reply: func(ctx context.Context, req executors.Request) (executors.Result, error) {
			server.set(temporal.NewCanceledError())
			req.OnAttach(json.RawMessage(`"run-1"`))
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: context.Cause(ctx)}
		}}
		server, reply := setup(t, fake)
		_, err := reply()
		require.Error(t, err)
		require.Equal(t, context.Canceled, <-cause)
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		n := 0
		fake := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
			if n++; n == 1 {
				return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}
			}
			return executors.Result{Message: agent("up")}, nil
		}}
		_, reply := setup(t, fake)
		_, err := reply()
		require.ErrorContains(t, err, "down")
		out, err := reply()
		require.NoError(t, err, "a failure is not kept")
		require.Equal(t, "up", out.Message.Text())
	})
	t.Run("nothing is asked without a lease", func(t *testing.T) {
		t.Parallel()
		for _, answer := range []error{serviceerror.NewNotFound("activity"), serviceerror.NewUnavailable("cut off")} {
			fake := &executortest.Fake{}
			server, reply := setup(t, fake)
			server.set(answer)
			_, err := reply()
			require.Error(t, err)
			require.Empty(t, fake.Requests())
		}
	})
}

// Without a lease none of the activities has its effect.
func TestNoEffectWithoutALease(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{send: answer}
	p.transcript.State = platforms.StateOpen
	a, err := activities.NewConversation(activities.Config{
		Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: p, Settle: time.Hour}},
		Executors: oneExecutor{&executortest.Fake{}}, Callbacks: noCallback{t},
		Heartbeats: &temporalServer{answer: serviceerror.NewNotFound("activity")},
	})
	require.NoError(t, err)
	t.Cleanup(a.Wait)
	for name, do := range map[string]func(env) error{
		"claim": func(e env) error {
			_, err := run[activities.ClaimResult](t, e, a.Claim, activities.ClaimInput{Ref: ref})
			return err
		},
		"exchange": func(e env) error {
			_, err := run[activities.ExchangeResult](t, e, a.Exchange, activities.ExchangeInput{Ref: ref})
			return err
		},
		"end": func(e env) error {
			_, err := run[activities.EndResult](t, e, a.End, activities.EndInput{Ref: ref})
			return err
		},
		"callback": func(e env) error {
			_, err := run[activities.DeliverResult](t, e, a.Deliver, activities.DeliverInput{Attempts: 4})
			return err
		},
	} {
		require.ErrorContains(t, do(newEnvOf(t, a)), "no longer the current one", name)
	}
	require.Zero(t, p.claims)
	require.Empty(t, p.sends)
	require.Zero(t, p.ends)
}

type noCallback struct{ t *testing.T }

func (c noCallback) Deliver(context.Context, string, string, conversation.TaskResult) (int, error) {
	c.t.Error("called")
	return 200, nil
}

// A run that was reset does nothing by itself.
func TestResetRunDoesNothing(t *testing.T) {
	t.Parallel()
	p, fake := &fakePlatform{send: answer}, &executortest.Fake{}
	e := newEnv(t, p, fake, 0)
	const other = "another-run"
	for name, do := range map[string]func() error{
		"claim": func() error {
			_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Run: other})
			return err
		},
		"reply": func() error {
			_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, Run: other})
			return err
		},
		"exchange": func() error {
			_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref, Run: other})
			return err
		},
		"tool": func() error {
			_, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{Ref: ref, Run: other})
			return err
		},
		"end": func() error {
			_, err := run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref, Run: other})
			return err
		},
	} {
		var app *temporal.ApplicationError
		require.ErrorAs(t, do(), &app, name)
		require.Equal(t, string(conversation.Reset), app.Type(), name)
		require.True(t, app.NonRetryable())
		var details activities.ErrorDetails
		require.NoError(t, app.Details(&details))
		require.NotEmpty(t, details.RunID)
	}
	require.Zero(t, p.claims+p.ends+len(p.sends)+len(fake.Requests()))
	about, err := run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
	require.NoError(t, err)
	require.NotEmpty(t, about.RunID)
}

// Whether an ambiguous claim is ours, for a run that is not to go on.
func TestFindClaim(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		state    platforms.State
		messages []conversation.Message
		ours     bool
	}{
		"it did not land":               {state: platforms.StateWaiting},
		"ours":                          {state: platforms.StateOpen, ours: true},
		"another worker sends messages": {state: platforms.StateOpen, messages: []conversation.Message{persona("hello")}},
		"it has ended":                  {state: platforms.StateEnded},
		"a state not known to us":       {state: platforms.StateUnknown, ours: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{}
			p.transcript = platforms.Transcript{State: tc.state, Messages: tc.messages}
			e := newEnv(t, p, nil, 50*time.Millisecond)
			out, err := run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: ref})
			require.NoError(t, err)
			require.Equal(t, tc.ours, out.Ours)
			require.NotEmpty(t, out.RunID)
		})
	}
}

type callbacks struct{ err error }

func (c callbacks) Deliver(context.Context, string, string, conversation.TaskResult) (int, error) {
	return 500, c.err
}

// An attempt at a callback is a request, whichever attempt of whichever activity made it.
func TestDeliverCountsRequests(t *testing.T) {
	t.Parallel()
	down := &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}
	for name, tc := range map[string]struct {
		made    int // before
		err     error
		retried bool
		state   conversation.DeliveryState
		total   int
	}{
		"delivered":           {state: conversation.DeliveryDelivered, total: 1},
		"delivered later":     {made: 2, state: conversation.DeliveryDelivered, total: 3},
		"retried":             {made: 2, err: down, retried: true},
		"the last":            {made: 3, err: down, state: conversation.DeliveryFailed, total: 4},
		"lost in the last":    {made: 4, err: down, state: conversation.DeliveryFailed, total: 4},
		"of no use":           {err: &conversation.Error{Kind: conversation.Invalid, Err: errors.New("no")}, state: conversation.DeliveryFailed, total: 1},
		"delivered the third": {made: 3, state: conversation.DeliveryDelivered, total: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvWith(t, activities.Config{
				Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: &fakePlatform{}}},
				Executors: oneExecutor{}, Callbacks: callbacks{tc.err},
			})
			out, err := run[activities.DeliverResult](t, e, e.activities.Deliver, activities.DeliverInput{Attempts: 4, Made: tc.made})
			if tc.retried {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.state, out.State)
			require.Equal(t, tc.total, out.Attempts)
		})
	}
}
