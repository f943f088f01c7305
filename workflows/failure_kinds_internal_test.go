package workflows

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// failed is an activity's error as it comes back from the server.
func failed(text string, kind conversation.Kind, details ...any) error {
	err := temporal.NewApplicationErrorWithOptions(text, string(kind), temporal.ApplicationErrorOptions{Details: details})
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

// What an activity says of its failure arrives in the workflow.
func TestFailureOf(t *testing.T) {
	t.Parallel()
	mark := &activities.Mark{Sends: 2, Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	spent := conversation.Usage{OutputTokens: 5}
	for name, tt := range map[string]struct {
		err  error
		want failure
	}{
		"Details": {
			failed("openai: reply: 401", conversation.Unauthorized, activities.ErrorDetails{
				Kind: conversation.Unauthorized, Remedy: "set another key", Spent: spent, Mark: mark,
			}),
			failure{kind: conversation.Unauthorized, reason: "openai: reply: 401", remedy: "set another key", spent: spent, mark: mark},
		},
		"Ambiguous": {
			failed("it may have arrived", conversation.Ambiguous, activities.ErrorDetails{Kind: conversation.Ambiguous, Ambiguous: true}),
			failure{kind: conversation.Ambiguous, reason: "it may have arrived", ambiguous: true},
		},
		"Reset": {
			failed("the run was reset", conversation.Reset, activities.ErrorDetails{Kind: conversation.Reset, RunID: "run2"}),
			failure{kind: conversation.Reset, reason: "the run was reset", runID: "run2"},
		},
		"NoDetails": {
			failed("odd", "OtherError"), failure{kind: "OtherError", reason: "odd", ambiguous: true},
		},
		"OtherDetails": {
			failed("odd", conversation.Invalid, "a text"), failure{kind: conversation.Invalid, reason: "odd", ambiguous: true},
		},
		"AnotherError": {
			errors.New("odd"), failure{kind: conversation.Unavailable, reason: "odd", ambiguous: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failureOf(tt.err)
			if tt.want.mark != nil {
				require.NotNil(t, got.mark)
				require.True(t, tt.want.mark.Time.Equal(got.mark.Time))
				require.Equal(t, tt.want.mark.Sends, got.mark.Sends)
				got.mark, tt.want.mark = nil, nil
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestFailureString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "it broke", failure{reason: "it broke"}.String())
	require.Equal(t, "it broke (fix it)", failure{reason: "it broke", remedy: "fix it"}.String())
}

// Other conversations of an agent meet a wrong key and a quota that is used up, and
// nothing else.
func TestContagious(t *testing.T) {
	t.Parallel()
	for _, kind := range []conversation.Kind{
		conversation.Unauthorized, conversation.QuotaExhausted, conversation.Unavailable, conversation.RateLimited, conversation.Invalid,
		conversation.Refused, conversation.BudgetSpent, conversation.Diverged, conversation.Ambiguous,
	} {
		want := kind == conversation.Unauthorized || kind == conversation.QuotaExhausted
		require.Equal(t, want, failure{kind: kind}.contagious(), kind)
	}
}

func TestMayHaveClaimed(t *testing.T) {
	t.Parallel()
	require.True(t, failure{ambiguous: true}.mayHaveClaimed())
	require.True(t, failure{kind: conversation.Reset}.mayHaveClaimed())
	require.False(t, failure{kind: conversation.Unauthorized}.mayHaveClaimed())
	require.Zero(t, sends(nil))
	require.Equal(t, 2, sends(&activities.Mark{Sends: 2}))
}

// The next activity knows of every request that may have gone out.
func TestTriedBefore(t *testing.T) {
	t.Parallel()
	before, mark := &activities.Mark{Sends: 1}, &activities.Mark{Sends: 2}
	timedOut := func(details ...any) error {
		c := temporal.GetDefaultFailureConverter()
		return c.FailureToError(c.ErrorToFailure(temporal.NewHeartbeatTimeoutError(details...)))
	}
	got := triedBefore(nil, failed("a", conversation.Unavailable, activities.ErrorDetails{Mark: mark}), before)
	require.Equal(t, 2, got.Sends, "the activity says what it did")
	require.Nil(t, triedBefore(nil, failed("a", conversation.Unavailable, activities.ErrorDetails{}), before), "it has sent nothing")
	require.Equal(t, before, triedBefore(nil, timedOut(), before), "it left no mark: only what was before is known")
	left := activities.Mark{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Sends: 5}
	require.Equal(t, 5, triedBefore(nil, timedOut(left), before).Sends)

	// An exchange that may send without a mark, and was lost without a word, may have sent.
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	e := suite.NewTestWorkflowEnvironment()
	e.ExecuteWorkflow(func(ctx workflow.Context) error {
		free := exchange{in: activities.ExchangeInput{Unmarked: true}}
		require.Equal(t, &activities.Mark{Time: workflow.Now(ctx).UTC()}, free.triedBefore(ctx, timedOut(), nil))
		require.Nil(t, free.triedBefore(ctx, timedOut(activities.Mark{}), nil), "it says that nothing was sent")
		require.Equal(t, before, free.triedBefore(ctx, timedOut(), before), "after a request there is a mark")
		require.Nil(t, free.triedBefore(ctx, failed("a", conversation.Unavailable, activities.ErrorDetails{}), nil))
		bound := exchange{}
		require.Nil(t, bound.triedBefore(ctx, timedOut(), nil))
		return nil
	})
	require.NoError(t, e.GetWorkflowError())
}

// How a step's failure ends a conversation that no operator can help.
func TestFinalFailure(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind        conversation.Kind
		onExhausted conversation.OnExhausted
		want        conversation.OutcomeKind // empty: it parks
		open        bool
	}{
		"Claimed":          {conversation.Claimed, conversation.Park, conversation.OutcomeClaimLost, false},
		"NotFound":         {conversation.NotFound, conversation.Park, conversation.OutcomeFailed, false},
		"TooLongOfOld":     {conversation.ContextTooLong, conversation.Park, conversation.OutcomeFailed, true}, // nothing says what was sent
		"Spent":            {conversation.BudgetSpent, conversation.EndConversation, conversation.OutcomeBudgetSpent, true},
		"SpentParks":       {conversation.BudgetSpent, conversation.Park, "", false},
		"UnavailableParks": {conversation.Unavailable, conversation.Park, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{claim: claim{held: true}}
			e := r.finalFailure(failure{kind: tt.kind, reason: "why"}, tt.onExhausted)
			if tt.want == "" {
				require.Nil(t, e)
				return
			}
			require.Equal(t, tt.want, e.kind)
			require.Equal(t, tt.open, e.open)
			require.Equal(t, "why", e.detail)
		})
	}
}

// Another worker's claim means another thing once the platform has messages of ours.
func TestClaimedIsDiverged(t *testing.T) {
	t.Parallel()
	r := &run{}
	require.Equal(t, conversation.Claimed, r.claimedIsDiverged(failure{kind: conversation.Claimed}).kind)
	r.transcript.sent(&reply{message: assistant("hi")})
	require.Equal(t, conversation.Diverged, r.claimedIsDiverged(failure{kind: conversation.Claimed}).kind)
	require.Equal(t, conversation.NotFound, r.claimedIsDiverged(failure{kind: conversation.NotFound}).kind)
}

// What a reply does about failures before the conversation parks for them.
func TestReplyRecovers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind     conversation.Kind
		window   int
		messages int
		refusal  string
		want     recovery
		reduced  int
	}{
		"TooLong":          {kind: conversation.ContextTooLong, messages: 10, want: retry, reduced: 5},
		"StillTooLong":     {kind: conversation.ContextTooLong, messages: 10, window: 5, want: none, reduced: 5},
		"TooLongAtOnce":    {kind: conversation.ContextTooLong, messages: 2, want: none},
		"Refused":          {kind: conversation.Refused, want: none},
		"RefusedWithAText": {kind: conversation.Refused, refusal: "I cannot say", want: resolved},
		"Unavailable":      {kind: conversation.Unavailable, refusal: "I cannot say", messages: 10, want: none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{policy: conversation.Policy{RefusalText: tt.refusal}}
			for i := range tt.messages {
				r.transcript.received(user(fmt.Sprint(i)))
			}
			q := &replyRequest{run: r, in: activities.ReplyInput{Window: tt.window}}
			require.Equal(t, tt.want, q.recover(failure{kind: tt.kind}))
			require.Equal(t, tt.reduced, q.in.Window)
			require.Equal(t, tt.want == resolved, q.refused)
		})
	}
}

func TestFailedAttempts(t *testing.T) {
	t.Parallel()
	require.Zero(t, failedAttempts(nil))
	require.Equal(t, 3, failedAttempts(&activities.ReplyProgress{Failed: 3}))
	require.Nil(t, handedOver(false, time.Minute, 3))
	require.Equal(t, &handover{wait: time.Minute, failed: 3}, handedOver(true, time.Minute, 3))
}
