package activities_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

func replies(r executors.Result) *executortest.Fake {
	return &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) { return r, nil }}
}

// A reply that is cut off is marked, or refused; what it cost counts.
func TestReplyCutOff(t *testing.T) {
	t.Parallel()
	cut := executors.Result{Message: agent("Your order"), FinishReason: executors.FinishLength, Usage: conversation.Usage{OutputTokens: 9}}
	calls := cut
	calls.Message.Parts = append(calls.Message.Parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}})
	whole := cut
	whole.FinishReason = executors.FinishStop
	for name, tt := range map[string]struct {
		on     conversation.OnLength
		result executors.Result
		tools  bool
		cutOff bool
		kind   conversation.Kind
	}{
		"by default":                             {result: cut, cutOff: true},
		"sent":                                   {on: conversation.SendCutOff, result: cut, cutOff: true},
		"continued":                              {on: conversation.ContinueCutOff, result: cut, cutOff: true},
		"refused":                                {on: conversation.RefuseCutOff, result: cut, kind: conversation.Refused},
		"whole":                                  {on: conversation.RefuseCutOff, result: whole},
		"without the tools that it may not call": {on: conversation.RefuseCutOff, result: calls, kind: conversation.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, &fakePlatform{}, replies(tt.result), 0)
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, OnLength: tt.on, New: []conversation.Message{persona("hi")}})
			if tt.kind != "" {
				details := detailsOf(t, tt.kind, err)
				require.EqualValues(t, 9, details.Spent.OutputTokens)
				require.Contains(t, details.Remedy, "max_output_tokens")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.cutOff, out.Message.CutOff)
		})
	}
}

// A continuation has the reply so far and asks for the rest; the result is the whole.
func TestReplyContinued(t *testing.T) {
	t.Parallel()
	fake := replies(executors.Result{Message: agent("is late."), FinishReason: executors.FinishStop})
	e := newEnv(t, &fakePlatform{}, fake, 0)
	partial := agent("The parcel")
	partial.CutOff = true
	in := activities.ReplyInput{Ref: ref, Turn: 1, New: []conversation.Message{persona("hi")}, Partial: &partial, Part: 1}
	for _, state := range []string{"", `"thread"`} {
		in.State = json.RawMessage(state)
		in.Part++
		out, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
		require.NoError(t, err)
		require.Equal(t, "The parcel is late.", out.Message.Text())
		require.False(t, out.Message.CutOff)
		require.Equal(t, 1, out.Index, "the continuation is no message of the conversation")
	}
	first, second := fake.Requests()[0], fake.Requests()[1]
	require.Len(t, first.Messages, 3)
	require.Equal(t, agent("The parcel"), first.Messages[1])
	require.Equal(t, conversation.RoleUser, first.Messages[2].Role)
	require.Contains(t, first.Messages[2].Text(), "Continue it exactly where it stops")
	require.Equal(t, []int{3, 1}, []int{first.New, second.New}, "its own record has the rest")
	require.NotEqual(t, first.IdempotencyKey, second.IdempotencyKey)
}

// What platforms cannot store is taken out and counted; nothing is left of a reply of that
// alone.
func TestReplyIsCleaned(t *testing.T) {
	t.Parallel()
	e := newEnv(t, &fakePlatform{}, replies(executors.Result{Message: agent("a\x00b\x07")}), 0)
	in := activities.ReplyInput{Ref: ref, Turn: 1, New: []conversation.Message{persona("hi")}}
	out, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
	require.NoError(t, err)
	require.Equal(t, "ab", out.Message.Text())
	require.Equal(t, 2, out.Message.Cleaned)

	e = newEnv(t, &fakePlatform{}, replies(executors.Result{Message: agent("\x00")}), 0)
	_, err = run[activities.ReplyResult](t, e, e.activities.Reply, in)
	detailsOf(t, conversation.Unavailable, err)
}

// What a provider returned beside tool calls is kept if it can be recorded, goes back in
// the same turn alone, and never to a platform.
func TestProviderState(t *testing.T) {
	t.Parallel()
	call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}},
	}}
	state := func(m conversation.Message, data string) conversation.Message {
		m.State = &conversation.ProviderState{Model: "m", Data: json.RawMessage(data)}
		return m
	}
	for name, tt := range map[string]struct {
		in   conversation.Message
		kept bool
	}{
		"with calls":    {state(call, `{"thoughts":1}`), true},
		"without calls": {state(agent("hi"), `{"thoughts":1}`), false},
		"not JSON":      {state(call, `{`), false},
		"empty":         {state(call, ``), false},
		"too large":     {state(call, `"`+strings.Repeat("x", conversation.MaxProviderState)+`"`), false},
	} {
		require.Equal(t, tt.kept, executors.Clean(executors.Result{Message: tt.in}).Message.State != nil, name)
	}

	fake := &executortest.Fake{}
	e := newEnv(t, &fakePlatform{}, fake, 0)
	result := conversation.ToolResultMessage(conversation.ToolResult{CallID: "1", Content: "found"})
	kept := state(call, `{"thoughts":1}`)
	in := activities.ReplyInput{Ref: ref, Turn: 1, New: []conversation.Message{persona("hi"), kept, result}}
	_, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
	require.NoError(t, err)
	in.New = append(in.New, agent("there"), persona("thanks"))
	in.Turn = 2
	_, err = run[activities.ReplyResult](t, e, e.activities.Reply, in)
	require.NoError(t, err)
	require.NotNil(t, fake.Requests()[0].Messages[1].State)
	require.Nil(t, fake.Requests()[1].Messages[1].State, "its turn is over")
	require.NotNil(t, in.New[1].State, "the messages are the caller's")
}
