package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
)

// What each kind becomes: whether Temporal retries, after which delay, and whether it
// raises an alarm.
func TestTemporalErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind      conversation.Kind
		after     time.Duration
		last      bool
		final     bool
		benign    bool
		nextDelay time.Duration
	}{
		{kind: conversation.Unavailable, benign: true},
		{kind: conversation.Unavailable, last: true, final: true, benign: true},
		{kind: conversation.Unavailable, after: time.Minute, benign: true, nextDelay: time.Minute},
		{kind: conversation.RateLimited, after: LongestRetryDelay, benign: true, nextDelay: LongestRetryDelay},
		{kind: conversation.RateLimited, after: LongestRetryDelay + 1, final: true, benign: true},
		{kind: conversation.Claimed, final: true, benign: true},
		{kind: conversation.Ended, final: true, benign: true},
		{kind: conversation.Refused, final: true, benign: true},
		{kind: conversation.Invalid, final: true},
		{kind: conversation.Unauthorized, final: true},
		{kind: conversation.QuotaExhausted, final: true},
		{kind: conversation.NotFound, final: true},
		{kind: conversation.Diverged, final: true},
		{kind: conversation.Ambiguous, final: true},
		{kind: conversation.ContextTooLong, final: true},
		{kind: conversation.BudgetSpent, final: true},
	} {
		t.Run(fmt.Sprint(tt.kind, tt.after, tt.last), func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("around: %w", &conversation.Error{
				Kind: tt.kind, Op: "x", Err: errors.New("no\x1b luck"), RetryAfter: tt.after, Remedy: "fix\x07 it", Ambiguous: true,
			})
			var app *temporal.ApplicationError
			require.ErrorAs(t, temporalErrorWith(err, ErrorDetails{Spent: conversation.Usage{Calls: 2}}, tt.last), &app)
			require.Equal(t, string(tt.kind), app.Type())
			require.Equal(t, tt.final, app.NonRetryable())
			require.Equal(t, tt.benign, app.Category() == temporal.ApplicationErrorCategoryBenign)
			require.Equal(t, tt.nextDelay, app.NextRetryDelay())
			require.NotContains(t, app.Error(), "\x1b")
			var details ErrorDetails
			require.NoError(t, app.Details(&details))
			require.Equal(t, ErrorDetails{
				Kind: tt.kind, Remedy: "fix\uFFFD it", RetryAfter: tt.after, Ambiguous: true, Spent: conversation.Usage{Calls: 2},
			}, details)
		})
	}
	require.NoError(t, temporalError(nil, conversation.Usage{}))
	require.Equal(t, context.Canceled, temporalError(context.Canceled, conversation.Usage{}), "a cancellation stays one")
	var app *temporal.ApplicationError
	require.ErrorAs(t, temporalError(errors.New(strings.Repeat("x", 10_000)), conversation.Usage{}), &app)
	require.Equal(t, string(conversation.Unavailable), app.Type(), "an error without a kind may pass")
	require.LessOrEqual(t, len(app.Message()), maxErrorText)
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	plain := temporalError(&conversation.Error{Kind: conversation.Unavailable, Err: errors.New("x")}, conversation.Usage{})
	asks := temporalError(&conversation.Error{Kind: conversation.RateLimited, Err: errors.New("x"), RetryAfter: time.Minute}, conversation.Usage{})
	final := temporalError(&conversation.Error{Kind: conversation.Invalid, Err: errors.New("x")}, conversation.Usage{})
	policy := retries(5)
	for name, tt := range map[string]struct {
		err     error
		attempt int32
		policy  *temporal.RetryPolicy
		want    time.Duration
	}{
		"the first":           {plain, 1, policy, time.Second},
		"the third":           {plain, 3, policy, 4 * time.Second},
		"the last":            {plain, 5, policy, -1},
		"at most":             {plain, 20, retries(0), 30 * time.Second},
		"a delay asked for":   {asks, 1, policy, time.Minute},
		"final":               {final, 1, policy, -1},
		"no policy":           {plain, 2, nil, 2 * time.Second},
		"no growth, no bound": {plain, 9, &temporal.RetryPolicy{InitialInterval: time.Second}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, retryDelay(tt.err, activity.Info{Attempt: tt.attempt, RetryPolicy: tt.policy}))
		})
	}
}

// A key is the same for all attempts of one request, and no two requests under one
// workflow id share one.
func TestKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	add := func(what, key string) {
		require.Empty(t, seen[key], "%s has the key of %s: %s", what, seen[key], key)
		seen[key] = what
	}
	const id = "onerun/p/c"
	type scope struct {
		run        string
		reconciled int
	}
	for _, s := range []scope{{}, {"r1", 0}, {"r2", 0}, {"r1", 1}, {"r1", 2}} {
		for turn := range 3 {
			what := fmt.Sprint(s, turn)
			for round := range 2 {
				for _, window := range []int{0, 10, 5} {
					in := ReplyInput{Run: s.run, Turn: turn, Round: round, Window: window, Reconciled: s.reconciled}
					add(fmt.Sprint("reply ", what, round, window), replyKey(id, in))
				}
			}
			for index := range 2 {
				add(fmt.Sprint("tool ", what, index), toolKey(id, CallToolInput{Run: s.run, Turn: turn, Index: index, Reconciled: s.reconciled}))
			}
			for messages := range 2 {
				add(fmt.Sprint("exchange ", what, messages), exchangeKey(id, ExchangeInput{Run: s.run, Before: turn, Reconciled: s.reconciled}, messages))
			}
		}
	}
}

// A digest tells transcripts apart by everything that was said.
func TestDigest(t *testing.T) {
	t.Parallel()
	call := func(name, arguments string) conversation.Message {
		return conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{{
			Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1", Name: name, Arguments: []byte(arguments)},
		}}}
	}
	result := func(content string, isError bool) conversation.Message {
		return conversation.Message{Role: conversation.RoleTool, Parts: []conversation.Part{{
			Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: "1", Content: content, IsError: isError},
		}}}
	}
	said := func(role conversation.Role, text string) conversation.Message { return conversation.Text(role, text) }
	seen := map[string]int{"": -1}
	for i, messages := range [][]conversation.Message{
		{said(conversation.RoleUser, "a")}, {said(conversation.RoleAssistant, "a")}, {said(conversation.RoleUser, "b")},
		{said(conversation.RoleUser, "a"), said(conversation.RoleUser, "b")}, {said(conversation.RoleUser, "b"), said(conversation.RoleUser, "a")},
		{call("x", "{}")}, {call("y", "{}")}, {call("x", "[]")}, {result("7", false)}, {result("7", true)}, {result("8", false)},
		{{Role: conversation.RoleUser, Parts: []conversation.Part{{Type: conversation.PartData, Data: []byte("{}")}}}},
	} {
		d := Digest("", messages...)
		other, twice := seen[d]
		require.False(t, twice, "%d and %d have one digest", i, other)
		seen[d] = i
	}
	a, b := said(conversation.RoleUser, "a"), call("x", "{}")
	require.Equal(t, Digest("", a, b), Digest(Digest("", a), b), "it is extended message by message")
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	say := func(n int) []conversation.Message {
		return []conversation.Message{conversation.Text(conversation.RoleUser, strings.Repeat("x", n))}
	}
	c := newTranscriptCache(4000)
	c.put("one", "d1", say(1000))
	c.put("two", "d2", say(1000))
	_, ok := c.get("one", "d1")
	require.True(t, ok)
	_, ok = c.get("one", "another")
	require.False(t, ok, "a transcript that went another way")
	c.put("three", "d3", say(1000)) // too much: what was used longest ago goes
	_, ok = c.get("two", "d2")
	require.False(t, ok)
	_, ok = c.get("one", "d1")
	require.True(t, ok)
	c.put("large", "d4", say(10_000))
	_, ok = c.get("large", "d4")
	require.False(t, ok, "larger than all of it")
	c.forget("one")
	c.forget("none")
	_, ok = c.get("one", "d1")
	require.False(t, ok)
	require.Zero(t, c.size, "nothing is left, and nothing counts")
	calls := conversation.Message{Parts: []conversation.Part{
		{ToolCall: &conversation.ToolCall{Name: "x", Arguments: []byte(strings.Repeat("y", 500))}},
		{ToolResult: &conversation.ToolResult{Content: strings.Repeat("z", 500)}},
	}}
	require.Greater(t, memoryOf(calls), 1000)
}

// Every step notices a worker that has died, and none has a bound over all attempts.
func TestOptions(t *testing.T) {
	t.Parallel()
	p := conversation.Policy{}.WithDefaults()
	for name, o := range map[string]struct {
		timeout, heartbeat time.Duration
		policy             *temporal.RetryPolicy
		total              time.Duration
	}{
		"claim":    {ClaimOptions(p).StartToCloseTimeout, ClaimOptions(p).HeartbeatTimeout, ClaimOptions(p).RetryPolicy, ClaimOptions(p).ScheduleToCloseTimeout},
		"context":  {ContextOptions(p).StartToCloseTimeout, ContextOptions(p).HeartbeatTimeout, ContextOptions(p).RetryPolicy, ContextOptions(p).ScheduleToCloseTimeout},
		"reply":    {ReplyOptions(p).StartToCloseTimeout, ReplyOptions(p).HeartbeatTimeout, ReplyOptions(p).RetryPolicy, ReplyOptions(p).ScheduleToCloseTimeout},
		"exchange": {ExchangeOptions(p).StartToCloseTimeout, ExchangeOptions(p).HeartbeatTimeout, ExchangeOptions(p).RetryPolicy, ExchangeOptions(p).ScheduleToCloseTimeout},
		"tool":     {ToolOptions(p, PlannedCall{}).StartToCloseTimeout, ToolOptions(p, PlannedCall{}).HeartbeatTimeout, ToolOptions(p, PlannedCall{}).RetryPolicy, 0},
		"end":      {EndOptions(p).StartToCloseTimeout, EndOptions(p).HeartbeatTimeout, EndOptions(p).RetryPolicy, EndOptions(p).ScheduleToCloseTimeout},
		"report":   {ReportOptions().StartToCloseTimeout, ReportOptions().HeartbeatTimeout, ReportOptions().RetryPolicy, ReportOptions().ScheduleToCloseTimeout},
		"notify":   {NotifyOptions().StartToCloseTimeout, NotifyOptions().HeartbeatTimeout, NotifyOptions().RetryPolicy, NotifyOptions().ScheduleToCloseTimeout},
		"probe":    {ProbeOptions().StartToCloseTimeout, ProbeOptions().HeartbeatTimeout, ProbeOptions().RetryPolicy, ProbeOptions().ScheduleToCloseTimeout},
		"poll":     {PollOptions(PollInput{}).StartToCloseTimeout, PollOptions(PollInput{}).HeartbeatTimeout, PollOptions(PollInput{}).RetryPolicy, 0},
		"watch":    {WatchOptions(time.Hour).StartToCloseTimeout, WatchOptions(time.Hour).HeartbeatTimeout, WatchOptions(time.Hour).RetryPolicy, 0},
	} {
		require.Greater(t, o.timeout, o.heartbeat, name)
		require.Positive(t, o.heartbeat, name)
		require.NotNil(t, o.policy, name)
		require.Zero(t, o.total, "%s: time without a worker is no failure", name)
	}
	require.Equal(t, time.Minute+15*time.Second, ToolOptions(p, PlannedCall{}).StartToCloseTimeout)
	require.Equal(t, time.Hour+15*time.Second, ToolOptions(p, PlannedCall{Timeout: time.Hour}).StartToCloseTimeout)
	require.Equal(t, 15*time.Second, HeartbeatTimeout(15*time.Second, time.Second), "a fast server")
	require.Equal(t, time.Minute, HeartbeatTimeout(15*time.Second, 10*time.Second))
	require.Equal(t, maxHeartbeatTimeout, HeartbeatTimeout(15*time.Second, time.Hour))
}

func TestOrdinal(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 112: "112th", 123: "123rd"} {
		require.Equal(t, want, ordinal(n))
	}
}

// Which errors say when a parked conversation continues.
func TestWaitsUntil(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long := LongestRetryDelay + time.Second
	for _, tt := range []struct {
		kind  conversation.Kind
		after time.Duration
		waits bool
	}{
		{conversation.RateLimited, long, true},
		{conversation.RateLimited, LongestRetryDelay, false},
		{conversation.RateLimited, 0, false},
		{conversation.Unavailable, long, true},
		{conversation.QuotaExhausted, long, true},
		{conversation.QuotaExhausted, time.Minute, false},
		{conversation.QuotaExhausted, 0, false},
		{conversation.BudgetSpent, time.Minute, true},
		{conversation.BudgetSpent, 0, false},
		{conversation.Unauthorized, time.Minute, true}, // a key from a file
		{conversation.Unauthorized, 0, false},
		{conversation.Invalid, long, false},
		{conversation.Refused, long, false},
		{conversation.RateLimited, -long, false},
	} {
		want := time.Time{}
		if tt.waits {
			want = now.Add(tt.after)
		}
		err := fmt.Errorf("around: %w", &conversation.Error{Kind: tt.kind, RetryAfter: tt.after})
		require.Equal(t, want, waitsUntil(err, now), "%s %s", tt.kind, tt.after)
	}
	require.Zero(t, waitsUntil(errors.New("no kind"), now))
}
