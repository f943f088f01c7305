package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
)

func TestReplyRejectsBadAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result executors.Result
		kind   conversation.Kind // empty: fine
	}{
		"fine":                   {executors.Result{Message: agent("hi")}, ""},
		"silent end":             {executors.Result{End: true}, ""},
		"nothing":                {executors.Result{Message: agent(" \n")}, conversation.Unavailable},
		"as the user":            {executors.Result{Message: persona("hi")}, conversation.Invalid},
		"not UTF-8":              {executors.Result{Message: agent("\xff\xfe")}, conversation.Unavailable},
		"too long":               {executors.Result{Message: agent(strings.Repeat("x", 20<<20))}, conversation.Invalid},
		"too long as JSON":       {executors.Result{Message: agent(strings.Repeat("<", 400<<10))}, conversation.Invalid},
		"too much state":         {executors.Result{Message: agent("hi"), State: json.RawMessage(`"` + strings.Repeat("x", 20<<10) + `"`)}, conversation.Invalid},
		"no message and no end":  {executors.Result{Message: conversation.Message{Role: conversation.RoleAssistant}}, conversation.Unavailable},
		"no role and no message": {executors.Result{}, conversation.Invalid},
		"data that is not JSON":  {executors.Result{Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{{Type: conversation.PartData, Data: json.RawMessage(`{"a":`)}}}}, conversation.Invalid},
		"state that is not JSON": {executors.Result{Message: agent("hi"), State: json.RawMessage("{")}, conversation.Invalid},
		"arguments that are not": {executors.Result{Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: "buy", Arguments: json.RawMessage(`{"a":`)}},
		}}}, conversation.Unavailable}, // no tools were offered: the call is left out, and nothing is left
		"text that is hardly there": {executors.Result{Message: agent(".")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) { return tc.result, nil }}
			e := newEnv(t, &fakePlatform{}, fake, 0)
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
			if tc.kind == "" {
				require.NoError(t, err)
				require.Equal(t, tc.result.Message.Text(), out.Message.Text())
				require.Equal(t, "resolved", out.Executor)
				return
			}
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, string(tc.kind), app.Type())
		})
	}
}

// transcripts answers as a workflow would, and counts.
type transcripts struct {
	first    int
	messages []conversation.Message
	err      error
	asked    int
}

func (r *transcripts) Messages(context.Context, string, string, int) (int, []conversation.Message, error) {
	r.asked++
	return r.first, r.messages, r.err
}

// Where the rest of the transcript comes from: the cache, the workflow, the platform.
func TestReplyHistory(t *testing.T) {
	t.Parallel()
	all := []conversation.Message{persona("1"), agent("2"), persona("3"), agent("4"), persona("5")}
	for name, tc := range map[string]struct {
		workflow transcripts
	}{
		"from the workflow":                  {transcripts{messages: all[:4]}},
		"older ones from the platform":       {transcripts{first: 3, messages: all[3:4]}},
		"all from the platform":              {transcripts{err: errors.New("no worker")}},
		"a workflow that has none of it any": {transcripts{first: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &executortest.Fake{}
			p := &fakePlatform{}
			p.take(all...)
			e := newEnvWith(t, activities.Config{
				Platforms:   map[string]platforms.Instance{"fake": {Name: "fake", Platform: p}},
				Executors:   oneExecutor{fake},
				Transcripts: &tc.workflow,
			})
			in := activities.ReplyInput{
				Ref: ref, Turn: 3, Before: 4, Digest: activities.Digest("", all[:4]...), New: all[4:],
			}
			out, err := run[activities.ReplyResult](t, e, e.activities.Reply, in)
			require.NoError(t, err)
			require.Equal(t, all, fake.Requests()[0].Messages)
			require.Equal(t, 1, fake.Requests()[0].New)

			// The next turn comes from the cache, if it continues what was answered.
			next := activities.ReplyInput{Ref: ref, Turn: 4, Before: 6, New: []conversation.Message{persona("7")}}
			next.Digest = activities.Digest(in.Digest, all[4], out.Message)
			_, err = run[activities.ReplyResult](t, e, e.activities.Reply, next)
			require.NoError(t, err)
			require.Equal(t, 1, tc.workflow.asked, "the cache was not used")
			require.Len(t, fake.Requests()[1].Messages, 7)

			// And not if another attempt's answer was recorded.
			next.Digest = activities.Digest(in.Digest, all[4], agent("another answer"))
			_, err = run[activities.ReplyResult](t, e, e.activities.Reply, next)
			require.NoError(t, err)
			require.Equal(t, 2, tc.workflow.asked, "the cache was used for another transcript")
		})
	}
}

// What an earlier attempt left is used and added up.
func TestReplyGoesOnFromEarlierAttempt(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{}
	e := newEnv(t, &fakePlatform{}, fake, 0)
	e.SetHeartbeatDetails(activities.ReplyProgress{
		Attach: json.RawMessage(`"run-1"`), Spent: conversation.Usage{InputTokens: 100, Calls: 1},
	})
	out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
	require.NoError(t, err)
	require.JSONEq(t, `"run-1"`, string(fake.Requests()[0].Attach))
	require.EqualValues(t, 110, out.Usage.InputTokens)
	require.EqualValues(t, 2, out.Usage.Calls)
}

// The token of a run at the provider is recorded before the answer exists.
func TestReplyRecordsAttachToken(t *testing.T) {
	t.Parallel()
	fake := &executortest.Fake{}
	fake.Reply = func(_ context.Context, req executors.Request) (executors.Result, error) {
		req.OnAttach(json.RawMessage(`"run-2"`))
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("stalled"), Usage: conversation.Usage{OutputTokens: 7}}
	}
	e := newEnv(t, &fakePlatform{}, fake, 0)
	var last activities.ReplyProgress
	e.SetOnActivityHeartbeatListener(lastProgress(&last))
	_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.JSONEq(t, `"run-2"`, string(last.Attach))
	var details activities.ErrorDetails
	require.NoError(t, app.Details(&details))
	require.EqualValues(t, 7, details.Spent.OutputTokens, "a failed attempt costs too")
}

func TestErrorsBecomeTemporals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		kind   conversation.Kind
		final  bool
		delay  time.Duration
		benign bool
		text   string
		remedy string
	}{
		"no kind":                {err: errors.New("odd"), kind: conversation.Unavailable, benign: true},
		"rate limited":           {err: &conversation.Error{Kind: conversation.RateLimited, RetryAfter: 7 * time.Second}, kind: conversation.RateLimited, delay: 7 * time.Second, benign: true},
		"rate limited for hours": {err: &conversation.Error{Kind: conversation.RateLimited, RetryAfter: time.Hour}, kind: conversation.RateLimited, final: true, benign: true},
		"quota":                  {err: &conversation.Error{Kind: conversation.QuotaExhausted}, kind: conversation.QuotaExhausted, final: true},
		"unauthorized":           {err: &conversation.Error{Kind: conversation.Unauthorized, Op: "ask", Remedy: "replace the key"}, kind: conversation.Unauthorized, final: true, text: "ask", remedy: "replace the key"},
		"unavailable, with time": {err: &conversation.Error{Kind: conversation.Unavailable, RetryAfter: time.Second}, kind: conversation.Unavailable, delay: time.Second, benign: true},
		"invalid":                {err: &conversation.Error{Kind: conversation.Invalid}, kind: conversation.Invalid, final: true},
		"refused":                {err: &conversation.Error{Kind: conversation.Refused}, kind: conversation.Refused, final: true, benign: true},
		"context too long":       {err: &conversation.Error{Kind: conversation.ContextTooLong}, kind: conversation.ContextTooLong, final: true},
		"a text of a megabyte":   {err: errors.New(strings.Repeat("x", 1<<20)), kind: conversation.Unavailable, benign: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &executortest.Fake{Reply: func(context.Context, executors.Request) (executors.Result, error) { return executors.Result{}, tc.err }}
			e := newEnv(t, &fakePlatform{}, fake, 0)
			_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, string(tc.kind), app.Type())
			require.Equal(t, tc.final, app.NonRetryable())
			require.Equal(t, tc.delay, app.NextRetryDelay())
			require.Equal(t, tc.benign, app.Category() == temporal.ApplicationErrorCategoryBenign)
			if tc.text != "" {
				require.Equal(t, tc.text, app.Message())
			}
			var details activities.ErrorDetails
			require.NoError(t, app.Details(&details))
			require.Equal(t, tc.remedy, details.Remedy, "the message does not contain it")
			require.Less(t, len(app.Message()), 4<<10)
		})
	}
}

// A call that a dead worker left on the wire is counted when it is made again, but
// not when the answer can be picked up.
func TestRepeatedCallsAreCounted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		left activities.ReplyProgress
		want int64
	}{
		"left on the wire": {activities.ReplyProgress{Asked: true}, 1},
		"to be picked up":  {activities.ReplyProgress{Asked: true, Attach: json.RawMessage(`"run"`)}, 0},
		"failed before":    {activities.ReplyProgress{Failed: 1}, 0},

		"to be picked up by it":       {activities.ReplyProgress{Asked: true, Executor: "resolved", Attach: json.RawMessage(`"run"`)}, 0},
		"another's to be picked up":   {activities.ReplyProgress{Asked: true, Executor: "another", Attach: json.RawMessage(`"run"`)}, 1},
		"another's, which has failed": {activities.ReplyProgress{Executor: "another", Attach: json.RawMessage(`"run"`)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := sdkmetric.NewManualReader()
			metrics, err := activities.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
			require.NoError(t, err)
			e := newEnvWith(t, activities.Config{
				Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: &fakePlatform{}}},
				Executors: oneExecutor{&executortest.Fake{}}, Metrics: metrics,
			})
			e.SetHeartbeatDetails(tc.left)
			_, err = run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
			require.NoError(t, err)
			var found metricdata.ResourceMetrics
			require.NoError(t, reader.Collect(t.Context(), &found))
			var got int64
			for _, scope := range found.ScopeMetrics {
				for _, m := range scope.Metrics {
					if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "parley.reply.repeats" {
						got = sum.DataPoints[0].Value
					}
				}
			}
			require.Equal(t, tc.want, got)
		})
	}
}
