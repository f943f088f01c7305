package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/tools"
)

// Each case is what an earlier attempt has left, and how the set answers: whether the tool
// is called, how the attempt ends, and what it leaves for the next.
func TestCallToolOnce(t *testing.T) {
	t.Parallel()
	const retried, final, done = "retried", "final", "done"
	unmade := &conversation.Error{Kind: conversation.Unavailable, Op: "x", Err: errors.New("refused")}
	slower := &conversation.Error{Kind: conversation.RateLimited, Op: "x", Err: errors.New("slower")}
	key := &conversation.Error{Kind: conversation.Unauthorized, Op: "x", Err: errors.New("wrong key")}
	lost := &conversation.Error{Kind: conversation.Unavailable, Op: "x", Err: errors.New("cut off"), Ambiguous: true}
	said500 := &conversation.Error{Kind: conversation.Unavailable, Op: "x", Err: errors.New("500"), Ambiguous: true, Answered: true}
	invalid := &conversation.Error{Kind: conversation.Invalid, Op: "x", Err: errors.New("too large"), Ambiguous: true}
	mark := func(sends int) *activities.Mark { return &activities.Mark{Time: time.Unix(1e9, 0).UTC(), Sends: sends} }
	for name, tt := range map[string]struct {
		repeatable bool
		beats      *activities.Mark // of an earlier attempt
		tried      *activities.Mark // of an earlier activity
		answer     error
		panics     bool

		calls int
		end   string
		kind  conversation.Kind
		left  int // requests that may have been made, as the next attempt finds them
	}{
		"answered":                       {calls: 1, end: done, left: 1},
		"not made":                       {answer: unmade, calls: 1, end: retried, kind: conversation.Unavailable},
		"not made, under a limit":        {answer: slower, calls: 1, end: retried, kind: conversation.RateLimited},
		"not made, for good":             {answer: key, calls: 1, end: final, kind: conversation.Unauthorized},
		"lost":                           {answer: lost, calls: 1, end: final, kind: conversation.Ambiguous, left: 1},
		"answered with an error":         {answer: said500, calls: 1, end: final, kind: conversation.Ambiguous, left: 1},
		"unreadable":                     {answer: invalid, calls: 1, end: final, kind: conversation.Ambiguous, left: 1},
		"an error without a kind":        {answer: errors.New("?"), calls: 1, end: final, kind: conversation.Ambiguous, left: 1},
		"a panic":                        {panics: true, calls: 1, end: final, kind: conversation.Ambiguous, left: 1},
		"the worker was killed":          {beats: mark(1), end: final, kind: conversation.Ambiguous, left: 1},
		"handed over":                    {tried: mark(1), end: final, kind: conversation.Ambiguous, left: 1},
		"killed after a hand-over":       {beats: mark(2), tried: mark(1), end: final, kind: conversation.Ambiguous, left: 2},
		"an attempt that did not call":   {beats: &activities.Mark{}, calls: 1, end: done, left: 1},
		"a hand-over without a call":     {tried: &activities.Mark{}, calls: 1, end: done, left: 1},
		"repeatable":                     {repeatable: true, calls: 1, end: done, left: 1},
		"repeatable, lost":               {repeatable: true, answer: lost, calls: 1, end: retried, kind: conversation.Unavailable, left: 1},
		"repeatable, killed":             {repeatable: true, beats: mark(1), calls: 1, end: done, left: 2},
		"repeatable, handed over":        {repeatable: true, tried: mark(1), calls: 1, end: done, left: 2},
		"repeatable, lost, then refused": {repeatable: true, beats: mark(1), answer: unmade, calls: 1, end: retried, kind: conversation.Unavailable, left: 1},
		"repeatable, lost, then a key":   {repeatable: true, beats: mark(1), answer: key, calls: 1, end: final, kind: conversation.Unauthorized, left: 1},
		"repeatable, a panic":            {repeatable: true, panics: true, calls: 1, end: retried, kind: conversation.Unavailable, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop()
			s.give = func(tools.Call) (tools.Result, error) {
				if tt.panics {
					panic("oh")
				}
				return tools.Result{Content: "paid"}, tt.answer
			}
			e := withShop(t, s, nil)
			var left activities.Mark
			if tt.beats != nil {
				left = *tt.beats
				e.SetHeartbeatDetails(left)
			} else if tt.tried != nil {
				left = *tt.tried
			}
			e.SetOnActivityHeartbeatListener(func(_ *activity.Info, values converter.EncodedValues) {
				left = activities.Mark{}
				require.NoError(t, values.Get(&left))
			})
			out, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{
				Ref: ref, Turn: 1, Tried: tt.tried, Call: activities.PlannedCall{Set: "shop", Name: "refund", Repeatable: tt.repeatable},
			})
			require.Len(t, s.calls, tt.calls)
			require.Equal(t, tt.left, left.Sends)
			if tt.end == done {
				require.NoError(t, err)
				out.TookMS = 0
				require.Equal(t, activities.CallToolResult{Content: "paid"}, out)
				return
			}
			details := detailsOf(t, tt.kind, err)
			require.Equal(t, tt.left > 0, details.Mark != nil, "what the workflow knows")
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, tt.end == final, app.NonRetryable())
			if tt.kind == conversation.Ambiguous {
				require.ErrorContains(t, err, "must not be repeated")
				require.NotEmpty(t, details.Remedy)
			}
		})
	}
}

// A call that is under way is joined by the next attempt on the worker: it is not made
// twice, and its answer is not lost. Another worker can only say that it is unknown.
func TestCallToolIsJoined(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer    error
		elsewhere bool
		kind      conversation.Kind // of the second attempt
	}{
		"answered":          {},
		"lost":              {&conversation.Error{Kind: conversation.Unavailable, Err: errors.New("cut off"), Ambiguous: true}, false, conversation.Ambiguous},
		"not made":          {&conversation.Error{Kind: conversation.Unavailable, Err: errors.New("refused")}, false, conversation.Unavailable},
		"on another worker": {nil, true, conversation.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, answer := newShop(), make(chan struct{})
				s.give = func(tools.Call) (tools.Result, error) {
					<-answer
					return tools.Result{Content: "paid"}, tt.answer
				}
				sets := tools.NewRegistry()
				require.NoError(t, sets.Add("shop", s, tools.Rules{Timeout: time.Hour}))
				worker := func() *activities.Conversation {
					a, err := activities.NewConversation(activities.Config{Executors: oneExecutor{}, Tools: sets})
					require.NoError(t, err)
					return a
				}
				attempt := func(a *activities.Conversation, mark *activities.Mark) (activities.CallToolResult, error) {
					e := newEnvOf(t, a)
					if mark != nil {
						e.SetHeartbeatDetails(*mark)
					}
					return run[activities.CallToolResult](t, e, a.CallTool, activities.CallToolInput{
						Ref: ref, Turn: 1, Call: activities.PlannedCall{Set: "shop", Name: "refund"},
					})
				}
				first := worker()
				second := first
				if tt.elsewhere {
					second = worker()
				}
				var ends sync.WaitGroup
				ends.Go(func() { _, _ = attempt(first, nil) })
				synctest.Wait()
				require.Len(t, s.calls, 1)
				ends.Go(func() {
					out, err := attempt(second, &activities.Mark{Time: time.Now(), Sends: 1})
					if tt.kind != "" {
						detailsOf(t, tt.kind, err)
						return
					}
					require.NoError(t, err)
					require.Equal(t, "paid", out.Content)
				})
				synctest.Wait()
				close(answer)
				ends.Wait()
				require.Len(t, s.calls, 1, "it was called once")
				first.Wait()
				require.NoError(t, sets.Close())
			})
		})
	}
}

// offers is a set whose tool changes.
type offers struct {
	effects
	tool conversation.Tool
	err  error
}

func (o *offers) Offer(_ context.Context, sets []string) ([]tools.Offered, error) {
	if o.tool.Name == "" || sets[0] != "shop" && sets[0] != "shop/refund" {
		return nil, o.err
	}
	return []tools.Offered{{Tool: o.tool, Set: "shop", Name: o.tool.Name, Ask: true}}, o.err
}

// A tool that is another than the one that was approved is not called: the model is told.
func TestCallToolThatChanged(t *testing.T) {
	t.Parallel()
	tool := conversation.Tool{Name: "refund", Description: "pays money back", Schema: json.RawMessage(`{"type":"object"}`)}
	change := func(do func(*conversation.Tool)) conversation.Tool {
		other := tool
		do(&other)
		return other
	}
	for name, tt := range map[string]struct {
		now   conversation.Tool
		err   error // of the listing
		asked bool
		found *activities.Mark
		calls int
		kind  conversation.Kind
	}{
		"as it was":                        {now: tool, asked: true, calls: 1},
		"another description":              {now: change(func(c *conversation.Tool) { c.Description = "pays twice" }), asked: true},
		"another schema":                   {now: change(func(c *conversation.Tool) { c.Schema = json.RawMessage(`{"type":"object","x":1}`) }), asked: true},
		"another name":                     {now: change(func(c *conversation.Tool) { c.Name = "refund_all" }), asked: true},
		"gone":                             {asked: true},
		"not to be listed now":             {err: &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}, asked: true, kind: conversation.Unavailable},
		"no operator was asked":            {now: change(func(c *conversation.Tool) { c.Description = "pays twice" }), calls: 1},
		"after a call that was lost":       {asked: true, found: &activities.Mark{Time: time.Now(), Sends: 1}, kind: conversation.Ambiguous},
		"changed, no operator was asked":   {calls: 1},
		"listing fails, no operator asked": {err: errors.New("down"), calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := &offers{tool: tool}
			calling := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
				return executors.Result{FinishReason: executors.FinishToolCall, Message: conversation.Message{
					Role: conversation.RoleAssistant, Parts: []conversation.Part{
						{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "refund", Arguments: json.RawMessage(`{}`)}},
					},
				}}, nil
			}}
			e := newEnvWith(t, activities.Config{Executors: oneExecutor{calling}, Tools: set})
			reply, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, Tools: []string{"shop"}})
			require.NoError(t, err)
			call := reply.Calls[0]
			require.NotEmpty(t, call.Digest)
			call.Ask = tt.asked
			set.tool, set.err = tt.now, tt.err
			e = newEnvOf(t, e.activities)
			if tt.found != nil {
				e.SetHeartbeatDetails(*tt.found)
			}
			out, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{Ref: ref, Turn: 1, Call: call})
			require.Equal(t, tt.calls, set.n)
			switch {
			case tt.kind != "":
				detailsOf(t, tt.kind, err)
			case tt.calls == 0:
				require.NoError(t, err)
				require.True(t, out.IsError)
				require.Contains(t, out.Content, "the call was not made")
			default:
				require.NoError(t, err)
				require.Equal(t, "42", out.Content)
			}
		})
	}
}

// lossyTools is a set whose calls are lost as those of a [lossy] platform.
type lossyTools struct {
	effects
	l *lossy
}

func (s *lossyTools) Call(ctx context.Context, _ string, _ tools.Call) (tools.Result, error) {
	err := s.l.commit(ctx, func() { s.n++ })
	return tools.Result{Content: "paid"}, err
}

func (s *lossyTools) done() int {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	return s.n
}

// Whatever gets lost between the worker, Temporal and the tool: a call that must not be
// repeated is made once, or its outcome is unknown. What is said not to have been made
// was not made.
func TestToolCallIsOnceOrUnknown(t *testing.T) {
	t.Parallel()
	for _, repeatable := range []bool{false, true} {
		t.Run(map[bool]string{false: "once", true: "repeatable"}[repeatable], func(t *testing.T) {
			t.Parallel()
			outcomes := map[string]int{}
			simulate(t, 200, func(t *testing.T, rng *rand.Rand) {
				set := &lossyTools{l: &lossy{rng: rng, calm: rng.IntN(6), delay: 20 * time.Second}}
				var (
					h   history
					out activities.CallToolResult
					err error
				)
				for n, over := 0, false; !over; n++ {
					require.Less(t, n, 100, "the call does not end")
					killed := rng.IntN(8) == 0
					// Each attempt is on a worker of its own: there is nothing to join.
					a, e := activities.NewConversation(activities.Config{Executors: oneExecutor{}, Tools: set})
					require.NoError(t, e)
					err = h.try(t, a, rng.IntN(8) == 0, func(e env, tried *activities.Mark) (*activities.Mark, bool, error) {
						var err error
						out, err = run[activities.CallToolResult](t, e, a.CallTool, activities.CallToolInput{
							Ref: ref, Turn: 1, Tried: tried, Call: activities.PlannedCall{Set: "shop", Name: "refund", Repeatable: repeatable},
						})
						return out.Tried, out.HandedOver && !killed, err
					})
					var app *temporal.ApplicationError
					retried := errors.As(err, &app) && !app.NonRetryable()
					over = !killed && !retried && !out.HandedOver
					time.Sleep(time.Duration(1+rng.IntN(20)) * time.Second)
				}
				time.Sleep(time.Minute) // what was delayed arrives by now
				switch {
				case err == nil && repeatable:
					require.GreaterOrEqual(t, set.done(), 1)
					outcomes["done"]++
				case err == nil:
					require.Equal(t, 1, set.done())
					outcomes["done"]++
				default:
					require.NotNil(t, detailsOf(t, conversation.Ambiguous, err).Mark)
					require.False(t, repeatable)
					require.LessOrEqual(t, set.done(), 1)
					outcomes["unknown, done "+fmt.Sprint(set.done())]++
				}
			})
			require.Greater(t, outcomes["done"], 40, "%v", outcomes)
			if !repeatable {
				require.Greater(t, outcomes["unknown, done 0"], 5, "%v", outcomes)
				require.Greater(t, outcomes["unknown, done 1"], 5, "%v", outcomes)
			}
		})
	}
}
