package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// What the exchange has left to the reply is compared with the transcript.
func TestReplyVerifies(t *testing.T) {
	t.Parallel()
	held := []conversation.Message{persona("hello"), agent("hi"), persona("yes")}
	call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "look", Arguments: []byte(`{}`)}},
	}}
	found := conversation.ToolResultMessage(conversation.ToolResult{CallID: "1", Content: "found"})
	for name, tc := range map[string]struct {
		shows []conversation.Message
		in    func(*activities.ReplyInput)
		fails bool // the reading
		once  bool
		want  string // the finding; empty: there is none
		reads int
		asks  int
	}{
		"the same":                   {shows: held, reads: 1, asks: 1},
		"delivered twice":            {shows: append(held[:3:3], agent("hi"), persona("yes")), want: "it has 5 messages, expected 3", reads: 1, asks: 1},
		"changed on the way":         {shows: []conversation.Message{persona("hello"), agent("ho"), persona("yes")}, want: `message 2 is assistant "ho", expected assistant "hi"`, reads: 1, asks: 1},
		"white space is no change":   {shows: []conversation.Message{persona("hello"), agent(" hi\n"), persona("yes")}, reads: 1, asks: 1},
		"another's between":          {shows: []conversation.Message{persona("hello"), agent("hi"), agent("yes")}, want: `message 3 is assistant "yes", expected user "yes"`, reads: 1, asks: 1},
		"the persona's text was cut": {shows: []conversation.Message{persona("hello"), agent("hi"), persona("yes and no")}, reads: 1, asks: 1},
		"a replica that lags":        {shows: held[:1], reads: 1, asks: 1},
		"it cannot be read":          {shows: append(held[:3:3], agent("hi")), fails: true, reads: 1, asks: 1},
		"nothing is left to compare": {
			shows: append(held[:3:3], agent("hi")), asks: 1,
			in: func(in *activities.ReplyInput) { in.Unverified = 0 },
		},
		"what was compared before may differ": {
			shows: []conversation.Message{persona("hey"), agent("hi"), persona("yes")}, reads: 1, asks: 1,
		},
		"messages between the agent and its tools are not there": {
			shows: held, reads: 1, asks: 1,
			in: func(in *activities.ReplyInput) { in.New = append(held[:3:3], call, found) },
		},
		"an agent that must not act twice is not asked": {
			shows: append(held[:3:3], agent("hi"), persona("yes")), once: true, want: "it has 5 messages, expected 3", reads: 1,
		},
		"an agent that must not act twice": {shows: held, once: true, reads: 1, asks: 1},
		"a conversation without a platform": {
			shows: append(held[:3:3], agent("hi")), asks: 1,
			in: func(in *activities.ReplyInput) { in.OnlyCopy = true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{}
			p.take(tc.shows...)
			if tc.fails {
				p.readErrs = []error{errLost}
			}
			fake := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
				return executors.Result{Message: agent("and"), Usage: conversation.Usage{OutputTokens: 7, Calls: 1}, Model: "m"}, nil
			}}
			var executor executors.Executor = fake
			if tc.once {
				executor = sole{fake}
			}
			e := newEnv(t, p, executor, 0)
			in := activities.ReplyInput{Ref: ref, Turn: 2, New: held, Unverified: 2, Exchanged: true}
			if tc.in != nil {
				tc.in(&in)
			}
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
			require.NoError(t, err)
			require.Len(t, fake.Requests(), tc.asks)
			require.Equal(t, tc.reads, p.readings)
			if tc.want == "" {
				require.Nil(t, out.Park)
				require.Equal(t, "and", out.Message.Text())
				return
			}
			require.Equal(t, conversation.Diverged, out.Park.Kind)
			require.Equal(t, "the platform's transcript differs: "+tc.want, out.Park.Reason)
			require.Empty(t, out.Message.Parts, "it is about another conversation")
			require.EqualValues(t, 7*tc.asks, out.Usage.OutputTokens)
			require.Equal(t, conversation.Record{Index: out.Index, Turns: 1}, out.Record(in))
		})
	}
}

// The model does not wait for the transcript: it is read meanwhile.
func TestReplyVerifiesMeanwhile(t *testing.T) {
	t.Parallel()
	asked, read := make(chan struct{}), make(chan struct{})
	p := &fakePlatform{onRead: func(*fakePlatform) { <-asked; close(read) }}
	p.take(persona("hello"), agent("hi"), persona("yes"))
	e := newEnv(t, p, &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) {
		close(asked)
		<-read
		return executors.Result{Message: agent("and")}, nil
	}}, 0)
	out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{
		Ref: ref, Turn: 2, New: []conversation.Message{persona("hello"), agent("hi"), persona("yes")}, Unverified: 2, Exchanged: true,
	})
	require.NoError(t, err)
	require.Nil(t, out.Park)
}
