package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
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
	}{
		"the same":                   {shows: held, reads: 1},
		"delivered twice":            {shows: append(held[:3:3], agent("hi"), persona("yes")), want: "it has 5 messages, expected 3", reads: 1},
		"changed on the way":         {shows: []conversation.Message{persona("hello"), agent("ho"), persona("yes")}, want: `message 2 is assistant "ho", expected assistant "hi"`, reads: 1},
		"white space is no change":   {shows: []conversation.Message{persona("hello"), agent(" hi\n"), persona("yes")}, reads: 1},
		"another's between":          {shows: []conversation.Message{persona("hello"), agent("hi"), agent("yes")}, want: `message 3 is assistant "yes", expected user "yes"`, reads: 1},
		"the persona's text was cut": {shows: []conversation.Message{persona("hello"), agent("hi"), persona("yes and no")}, reads: 1},
		"a replica that lags":        {shows: held[:1], reads: 1},
		"it cannot be read":          {shows: append(held[:3:3], agent("hi")), fails: true, reads: 1},
		"nothing is left to compare": {
			shows: append(held[:3:3], agent("hi")),
			in:    func(in *activities.ReplyInput) { in.Unverified = 0 },
		},
		"what was compared before may differ": {
			shows: []conversation.Message{persona("hey"), agent("hi"), persona("yes")}, reads: 1,
		},
		"messages between the agent and its tools are not there": {
			shows: held, reads: 1,
			in: func(in *activities.ReplyInput) { in.New = append(held[:3:3], call, found) },
		},
		"an agent that must not act twice is not asked": {
			shows: append(held[:3:3], agent("hi"), persona("yes")), once: true, want: "it has 5 messages, expected 3", reads: 1,
		},
		"an agent that must not act twice": {shows: held, once: true, reads: 1},
		"a conversation without a platform": {
			shows: append(held[:3:3], agent("hi")),
			in:    func(in *activities.ReplyInput) { in.OnlyCopy = true },
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
			require.Equal(t, tc.reads, p.readings)
			if tc.want == "" {
				require.Len(t, fake.Requests(), 1)
				require.Nil(t, out.Park)
				require.Equal(t, "and", out.Message.Text())
				return
			}
			require.Equal(t, conversation.Diverged, out.Park.Kind)
			require.Equal(t, "the platform's transcript differs: "+tc.want, out.Park.Reason)
			require.Empty(t, out.Message.Parts, "it is about another conversation")
			require.Equal(t, "resolved", out.Executor)
			if tc.once {
				require.Empty(t, fake.Requests())
			}
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

// A reply that is not needed any more is not waited for, and what it has cost counts. One
// that comes before the finding is dropped.
func TestReplyEndsWithAFinding(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"the finding is first": "finding", "the reply is first": "reply"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, replied := make(chan struct{}), make(chan struct{})
			p := &fakePlatform{onRead: func(*fakePlatform) {
				<-asked
				if first == "reply" {
					<-replied
				}
			}}
			p.take(persona("hello"), agent("hi"), persona("yes"), agent("hi"), persona("yes"))
			e := newEnv(t, p, &executortest.Fake{Reply: func(ctx context.Context, _ executors.Request) (executors.Result, error) {
				close(asked)
				spent := conversation.Usage{OutputTokens: 7, Calls: 1}
				if first == "reply" {
					defer close(replied)
					return executors.Result{Message: agent("and"), Usage: spent}, nil
				}
				<-ctx.Done()
				return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: context.Cause(ctx), Usage: spent}
			}}, 0)
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{
				Ref: ref, Turn: 2, New: []conversation.Message{persona("hello"), agent("hi"), persona("yes")}, Unverified: 2, Exchanged: true,
			})
			require.NoError(t, err)
			require.Equal(t, "the platform's transcript differs: it has 5 messages, expected 3", out.Park.Reason)
			require.Empty(t, out.Message.Parts)
			require.EqualValues(t, 7, out.Usage.OutputTokens)
		})
	}
}

// What a worker keeps of a conversation goes with its end: memory does not grow with the
// conversations that have ended.
func TestEndedConversationIsForgotten(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"it goes on": false, "it has ended": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{send: func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
				reply, err := answer(p, in)
				if reply.Ended = ends; ends {
					p.transcript.State = platforms.StateEnded
				}
				return reply, err
			}}
			p.take(persona("hello"))
			e := newEnv(t, p, &executortest.Fake{}, 0)
			first := activities.ReplyInput{Ref: ref, Turn: 1, New: []conversation.Message{persona("hello")}, Exchanged: true}
			said, err := run[activities.ReplyResult](t, e, e.activities.Reply, first)
			require.NoError(t, err)
			_, err = run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{
				Ref: ref, Turn: 1, Before: 1, Messages: []conversation.Message{said.Message}, VerifyLater: true,
			})
			require.NoError(t, err)
			before := p.readings
			digest := activities.Digest(activities.Digest("", first.New...), said.Message)
			_, err = run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{
				Ref: ref, Turn: 2, Before: 2, Digest: digest, New: []conversation.Message{persona("yes")}, Exchanged: true,
			})
			require.NoError(t, err)
			require.Equal(t, ends, p.readings > before, "whether the transcript had to be read")
		})
	}
}
