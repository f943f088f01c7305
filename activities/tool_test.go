package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/tools"
)

// shop is a set of tools that keeps the calls it has got.
type shop struct {
	calls chan tools.Call
	give  func(tools.Call) (tools.Result, error)
}

func newShop() *shop { return &shop{calls: make(chan tools.Call, 10)} }

func (s *shop) List(context.Context) ([]conversation.Tool, error) {
	return []conversation.Tool{
		{Name: "price", Description: "what it costs", Schema: json.RawMessage(`{"type":"object"}`)},
		{Name: "buy", Schema: json.RawMessage(`{"type":"object"}`)},
	}, nil
}

func (s *shop) Call(_ context.Context, call tools.Call) (tools.Result, error) {
	s.calls <- call
	if s.give != nil {
		return s.give(call)
	}
	return tools.Result{Content: "7"}, nil
}

// withShop has the set "shop", of which buying needs an approval.
func withShop(t *testing.T, s *shop, e executors.Executor) env {
	t.Helper()
	sets := tools.NewRegistry()
	require.NoError(t, sets.Add("shop", s, tools.Rules{Ask: []string{"buy"}}))
	return newEnvWith(t, activities.Config{Executors: oneExecutor{e}, Tools: sets})
}

func TestCallTool(t *testing.T) {
	t.Parallel()
	down := &conversation.Error{Kind: conversation.Unavailable, Op: "x", Err: errors.New("down")}
	for name, tt := range map[string]struct {
		give func(tools.Call) (tools.Result, error)
		want activities.CallToolResult
		kind conversation.Kind
	}{
		"a result":          {nil, activities.CallToolResult{Content: "7"}, ""},
		"a fault of its":    {func(tools.Call) (tools.Result, error) { return tools.Result{Content: "no", IsError: true}, nil }, activities.CallToolResult{Content: "no", IsError: true}, ""},
		"a set that is not": {func(tools.Call) (tools.Result, error) { return tools.Result{}, down }, activities.CallToolResult{}, conversation.Unavailable},
		"a panic":           {func(tools.Call) (tools.Result, error) { panic("oh") }, activities.CallToolResult{}, conversation.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop()
			s.give = tt.give
			e := withShop(t, s, nil)
			out, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{
				Ref: ref, Turn: 2, Index: 1, Call: activities.PlannedCall{Set: "shop", Name: "price", Arguments: json.RawMessage(`{"of":"tea"}`)},
			})
			call := <-s.calls
			require.Equal(t, "price", call.Name)
			require.JSONEq(t, `{"of":"tea"}`, string(call.Arguments))
			require.Equal(t, ref, call.Conversation)
			require.Equal(t, 1, call.Attempt)
			require.True(t, strings.HasSuffix(call.Key, "/tool/2/1"), call.Key)
			if tt.kind != "" {
				detailsOf(t, tt.kind, err)
				return
			}
			require.NoError(t, err)
			require.LessOrEqual(t, out.TookMS, int64(60_000))
			out.TookMS = 0
			require.Equal(t, tt.want, out)
		})
	}
}

func TestCallToolIsBounded(t *testing.T) {
	t.Parallel()
	s := newShop()
	s.give = func(tools.Call) (tools.Result, error) { return tools.Result{Content: strings.Repeat("x", 10_000)}, nil }
	e := withShop(t, s, nil)
	out, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{
		Ref: ref, MaxBytes: 1000, Call: activities.PlannedCall{Set: "shop", Name: "price"},
	})
	require.NoError(t, err)
	require.LessOrEqual(t, len(out.Content), 1000)
}

// A worker without the tools says so: another on the task queue may have them.
func TestWithoutTools(t *testing.T) {
	t.Parallel()
	e := newEnvWith(t, activities.Config{Executors: oneExecutor{&executortest.Fake{}}})
	_, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{Ref: ref, Call: activities.PlannedCall{Set: "shop"}})
	detailsOf(t, conversation.Unavailable, err)
	require.ErrorContains(t, err, `tools "shop": this worker has no such tools`)

	e = newEnvWith(t, activities.Config{Executors: oneExecutor{&executortest.Fake{}}})
	_, err = run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, Tools: []string{"shop", "bank"}})
	detailsOf(t, conversation.Unavailable, err)
	require.ErrorContains(t, err, `tools "shop, bank"`)
}

// A model that calls tools is answered with how each call is to be made.
func TestReplyPlansCalls(t *testing.T) {
	t.Parallel()
	calling := &executortest.Fake{Reply: func(_ context.Context, req executors.Request) (executors.Result, error) {
		if len(req.Tools) != 2 {
			return executors.Result{}, errors.New("the tools are not offered")
		}
		return executors.Result{FinishReason: executors.FinishToolCall, Message: conversation.Message{
			Role: conversation.RoleAssistant, Parts: []conversation.Part{
				{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "price", Arguments: json.RawMessage(`{}`)}},
				{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{Name: "buy", Arguments: json.RawMessage(`{}`)}},
				{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "3", Name: "steal", Arguments: json.RawMessage(`{}`)}},
			},
		}}, nil
	}}
	e := withShop(t, newShop(), calling)
	out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 2, Round: 1, Tools: []string{"shop"}})
	require.NoError(t, err)
	require.Len(t, out.Calls, 3)
	price, buy, steal := out.Calls[0], out.Calls[1], out.Calls[2]
	require.Equal(t, "shop", price.Set)
	require.Equal(t, "price", price.Name)
	require.Equal(t, "1", price.CallID)
	require.False(t, price.Ask)
	require.True(t, buy.Ask, "a person must approve")
	require.Equal(t, "call_2_1_1", buy.CallID, "a call without an id gets one")
	require.Equal(t, `there is no tool "steal"`, steal.Fault)
	require.Empty(t, steal.Arguments)

	// Without tools offered there is nothing to call.
	spoken := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
		m := agent("I would buy it")
		m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "buy"}})
		return executors.Result{FinishReason: executors.FinishToolCall, Message: m}, nil
	}}
	e = withShop(t, newShop(), spoken)
	out, err = run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
	require.NoError(t, err)
	require.Empty(t, out.Message.ToolCalls())
	require.Equal(t, executors.FinishStop, out.FinishReason)
	require.Equal(t, "I would buy it", out.Message.Text())
}

// What a model's name and calls are called is kept fit to be shown.
func TestReplyCleansNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("m", 2_500_000) // it would not be recorded, and be paid for again
	odd := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
		message := agent("hi")
		message.Parts = append(message.Parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: long, Name: long}})
		return executors.Result{
			Message: message, Provider: "open\x1b[2Jai", Model: long, FinishReason: "stop\x07",
			Usage: conversation.Usage{InputTokens: math.MaxInt64, OutputTokens: -5, CachedInputTokens: 7, Calls: 1},
		}, nil
	}}
	e := newEnvWith(t, activities.Config{Executors: oneExecutor{odd}})
	out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
	require.NoError(t, err)
	require.Equal(t, "open\uFFFD[2Jai", out.Provider)
	require.LessOrEqual(t, len(out.Model), 256)
	require.Equal(t, executors.FinishReason("stop\uFFFD"), out.FinishReason)
	require.Equal(t, conversation.Usage{Calls: 1}, out.Usage)
	recorded, err := json.Marshal(out)
	require.NoError(t, err)
	require.Less(t, len(recorded), 4<<10)
	require.Len(t, odd.Requests(), 1)
}

// Whatever an error of an executor says, its record is small, and its usage plausible.
func TestFailedReplyIsRecorded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("m", 2_500_000)
	odd := &executortest.Fake{Reply: func(_ context.Context, req executors.Request) (executors.Result, error) {
		req.OnAttach(json.RawMessage(`"` + long + `"`))
		req.OnAttach(json.RawMessage(`{`))
		return executors.Result{}, &conversation.Error{
			Kind: conversation.Unavailable, Op: long, Err: errors.New("\x1b" + long), Remedy: long, RetryAfter: math.MaxInt64,
			Usage: conversation.Usage{InputTokens: math.MaxInt64, OutputTokens: math.MinInt64, Calls: 1},
		}
	}}
	e := newEnvWith(t, activities.Config{Executors: oneExecutor{odd}})
	_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Less(t, len(app.Message()), 4<<10)
	var details activities.ErrorDetails
	require.NoError(t, app.Details(&details))
	recorded, err := json.Marshal(details)
	require.NoError(t, err)
	require.Less(t, len(recorded), 8<<10)
	require.Equal(t, conversation.Usage{Calls: 1}, details.Spent)
}
