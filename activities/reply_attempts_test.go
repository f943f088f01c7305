package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/platforms"
)

// failsWith is an executor that always fails so.
func failsWith(err error) *executortest.Fake {
	return &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) { return executors.Result{}, err }}
}

// A request that waits for its turn under a rate limit was not made: it is no attempt, and
// the workflow waits, not the worker.
func TestReplyQueuedByARateLimit(t *testing.T) {
	t.Parallel()
	queued := &conversation.Error{Kind: conversation.RateLimited, Op: "limit", Err: fmt.Errorf("model: %w", limit.ErrQueued), RetryAfter: 7 * time.Second}
	for _, executor := range []executors.Executor{failsWith(queued), sole{failsWith(queued)}} {
		e := newEnv(t, &fakePlatform{}, executor, 0)
		out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{
			Ref: ref, Turn: 1, Attempts: 3, Resume: &activities.ReplyProgress{Failed: 2, Spent: conversation.Usage{Calls: 2}},
		})
		require.NoError(t, err)
		require.True(t, out.HandedOver)
		require.Equal(t, 7*time.Second, out.Wait)
		require.Equal(t, 2, out.Resume.Failed, "the last attempt is still to come")
		require.EqualValues(t, 2, out.Resume.Spent.Calls)
		require.False(t, out.Resume.Asked)
	}
}

// Attempts are counted over the activities that handed the reply over.
func TestReplyAttempts(t *testing.T) {
	t.Parallel()
	for failed, final := range map[int]bool{0: false, 1: false, 2: true} {
		fake := failsWith(&conversation.Error{Kind: conversation.Unavailable, Op: "ask", Err: errors.New("down"), Usage: conversation.Usage{Calls: 1}})
		e := newEnv(t, &fakePlatform{}, fake, 0)
		_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{
			Ref: ref, Turn: 1, Attempts: 3, Resume: &activities.ReplyProgress{Failed: failed, Spent: conversation.Usage{Calls: int64(failed)}},
		})
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app)
		require.Equal(t, final, app.NonRetryable())
		require.Equal(t, failed+1, fake.Requests()[0].Attempt)
		require.EqualValues(t, failed+1, detailsOf(t, conversation.Unavailable, err).Spent.Calls, "all attempts cost")
	}
}

// What must not run twice is retried only after a failure that is known to have had no
// effect.
func TestAtMostOnceInDoubt(t *testing.T) {
	t.Parallel()
	usage := conversation.Usage{OutputTokens: 9}
	for name, tt := range map[string]struct {
		err  error
		kind conversation.Kind
	}{
		"it was refused":        {&conversation.Error{Kind: conversation.RateLimited, Op: "ask", Err: errors.New("slow down"), Usage: usage}, conversation.RateLimited},
		"its answer was lost":   {&conversation.Error{Kind: conversation.Unavailable, Op: "ask", Err: errors.New("reset"), Ambiguous: true, Usage: usage}, conversation.Invalid},
		"it does not say":       {errors.New("odd"), conversation.Invalid},
		"it panics on its way":  {nil, conversation.Invalid},
		"it answers with trash": {&conversation.Error{Kind: conversation.Invalid, Op: "ask", Err: errors.New("not JSON"), Usage: usage}, conversation.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := failsWith(tt.err)
			if tt.err == nil {
				fake.Reply = func(context.Context, executors.Request) (executors.Result, error) { panic("no") }
			}
			e := newEnv(t, &fakePlatform{}, sole{fake}, 0)
			var last activities.ReplyProgress
			e.SetOnActivityHeartbeatListener(lastProgress(&last))
			_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
			details := detailsOf(t, tt.kind, err)
			if known := new(conversation.Error); errors.As(tt.err, &known) {
				require.Equal(t, known.Usage, details.Spent, "it was paid for")
			}
			require.Equal(t, details.Ambiguous, last.Asked, "the next attempt knows whether it may ask")
			if details.Ambiguous {
				require.ErrorContains(t, err, "it may have run, and is set to run at most once")
				require.Contains(t, details.Remedy, "at_most_once")
			}
		})
	}
}

// A window is another request: its key is another, and what the other side keeps, which is
// as long as before, is left behind.
func TestReplyWindow(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{}
	e := newEnv(t, &fakePlatform{}, fake, 0)
	in := activities.ReplyInput{
		Ref: ref, Turn: 1, New: []conversation.Message{persona("1"), agent("2"), persona("3"), agent("4"), persona("5")}, State: json.RawMessage(`"thread"`),
	}
	for _, window := range []int{0, 3, 1} {
		in.Window = window
		_, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
		require.NoError(t, err)
	}
	whole, three, one := fake.Requests()[0], fake.Requests()[1], fake.Requests()[2]
	require.Len(t, whole.Messages, 5)
	require.JSONEq(t, `"thread"`, string(whole.State))
	require.Equal(t, []conversation.Message{in.New[0], in.New[3], in.New[4]}, three.Messages)
	require.Equal(t, in.New[4:], one.Messages)
	require.Less(t, len(one.Messages), len(whole.Messages))
	for _, windowed := range []executors.Request{three, one} {
		require.Nil(t, windowed.State)
		require.Equal(t, len(windowed.Messages), windowed.New)
	}
	require.NotEqual(t, whole.IdempotencyKey, three.IdempotencyKey)
	require.NotEqual(t, three.IdempotencyKey, one.IdempotencyKey)
}

// What fits is bounded in bytes, and the executor's own record of the conversation goes on
// unless it is too long itself. What did not fit is reported.
func TestReplyLimit(t *testing.T) {
	t.Parallel()
	fake := failsWith(&conversation.Error{Kind: conversation.ContextTooLong, Op: "ask", Err: errors.New("too long")})
	e := newEnv(t, &fakePlatform{}, fake, 0)
	in := activities.ReplyInput{
		Ref: ref, Turn: 1, OmittedText: "(cut)", State: json.RawMessage(`"thread"`),
		New: []conversation.Message{persona("1"), agent("2"), persona("3"), agent("4"), persona("5")},
	}
	size := in.New[0].Size()
	ask := func(bytes int, anew bool) *activities.SentMessages {
		in.LimitBytes, in.Anew = bytes, anew
		_, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
		return detailsOf(t, conversation.ContextTooLong, err).Sent
	}
	require.Equal(t, &activities.SentMessages{Messages: 5, Bytes: 5 * size, Continued: true}, ask(0, false))
	sent := ask(3*size, false)
	require.Equal(t, 3, sent.Messages)
	require.True(t, sent.Continued)
	require.Equal(t, &activities.SentMessages{Messages: 1, Bytes: size + 32 + 5, Least: true}, ask(size, true))
	whole, three, one := fake.Requests()[0], fake.Requests()[1], fake.Requests()[2]
	require.Len(t, whole.Messages, 5)
	require.Equal(t, "1\n\n(cut)", three.Messages[0].Text())
	require.Equal(t, "(cut)\n\n5", one.Messages[0].Text())
	require.JSONEq(t, `"thread"`, string(three.State))
	require.Equal(t, 3, three.New)
	require.Nil(t, one.State)
	require.Equal(t, 1, one.New)
	require.Len(t, map[string]bool{whole.IdempotencyKey: true, three.IdempotencyKey: true, one.IdempotencyKey: true}, 3, "other requests")
}

// Where the rest of a transcript comes from if the workflow has only a part of it, or the
// platform has less than the workflow.
func TestReplyHistoryWithoutAll(t *testing.T) {
	t.Parallel()
	call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "find"}},
	}}
	result := conversation.ToolResultMessage(conversation.ToolResult{CallID: "1", Content: "found"})
	all := []conversation.Message{persona("1"), call, result, agent("2"), persona("3")}
	down := errors.New("no worker")
	for name, tt := range map[string]struct {
		workflow transcripts
		platform []conversation.Message
		only     bool
		readErr  error
		want     []conversation.Message
		kind     conversation.Kind
	}{
		"the workflow has all":                           {workflow: transcripts{messages: all[:4]}, want: all[:4]},
		"the platform has what went on before the tools": {workflow: transcripts{first: 1, messages: all[1:4]}, platform: []conversation.Message{all[0], all[3], all[4]}, want: all[:4]},
		"the platform has none of what is internal":      {workflow: transcripts{err: down}, platform: []conversation.Message{all[0], all[3], all[4]}, want: []conversation.Message{all[0], all[3]}},
		"the platform keeps less than the workflow":      {workflow: transcripts{first: 3, messages: all[3:4]}, want: all[3:4]},
		"neither can be read":                            {workflow: transcripts{err: down}, readErr: errLost, kind: conversation.Unavailable},
		"only the workflow has it, and is away":          {workflow: transcripts{err: down}, only: true, kind: conversation.Unavailable},
		"only the workflow has it, and not the oldest":   {workflow: transcripts{first: 3, messages: all[3:4]}, only: true, want: all[3:4]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, p := &executortest.Fake{}, &fakePlatform{}
			p.take(tt.platform...)
			if tt.readErr != nil {
				p.readErrs = []error{tt.readErr}
			}
			e := newEnvWith(t, activities.Config{
				Platforms: map[string]platforms.Instance{"fake": {Platform: p}}, Executors: oneExecutor{fake}, Transcripts: &tt.workflow,
			})
			_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{
				Ref: ref, Turn: 2, Before: 4, Internal: 2, Digest: "d", New: all[4:], OnlyCopy: tt.only,
			})
			if tt.kind != "" {
				detailsOf(t, tt.kind, err)
				require.Empty(t, fake.Requests(), "nothing is asked without the transcript")
				return
			}
			require.NoError(t, err)
			require.Equal(t, append(append([]conversation.Message(nil), tt.want...), all[4]), fake.Requests()[0].Messages)
			require.Equal(t, 1, fake.Requests()[0].New)
		})
	}
}

// A provider that withdraws a token has lost the run: the call is made anew, and counted.
func TestReplyTokenWithdrawn(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{Reply: func(_ context.Context, req executors.Request) (executors.Result, error) {
		req.OnAttach(nil)
		req.OnAttach(json.RawMessage(`"run-2"`))
		return executors.Result{}, errLost
	}}
	e := newEnv(t, &fakePlatform{}, fake, 0)
	e.SetHeartbeatDetails(activities.ReplyProgress{Executor: "resolved", Attach: json.RawMessage(`"run-1"`), Asked: true})
	var last activities.ReplyProgress
	e.SetOnActivityHeartbeatListener(lastProgress(&last))
	_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
	detailsOf(t, conversation.Unavailable, err)
	require.JSONEq(t, `"run-1"`, string(fake.Requests()[0].Attach))
	require.JSONEq(t, `"run-2"`, string(last.Attach))
}
