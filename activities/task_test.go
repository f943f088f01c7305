package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/platformtest"
)

// on is an environment with one platform, called "fake".
func on(t *testing.T, p platforms.Platform) env { return newEnv(t, p, nil, 0) }

// oneTask is a platform with one task, that ref names.
func oneTask(task conversation.Task) *platformtest.FakeTasks {
	f := &platformtest.FakeTasks{}
	f.Add(ref, task)
	return f
}

// detailsOf demands an error of a kind and returns what the workflow learns with it.
func detailsOf(t *testing.T, want conversation.Kind, err error) activities.ErrorDetails {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	var details activities.ErrorDetails
	require.NoError(t, app.Details(&details))
	require.Equal(t, want, details.Kind, "%v", err)
	require.Equal(t, string(want), app.Type())
	return details
}

func TestTaskClaim(t *testing.T) {
	t.Parallel()
	p := oneTask(conversation.Task{})
	e := on(t, p)
	out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	require.True(t, out.Claimed)
	require.True(t, strings.HasPrefix(out.Receipt.Worker, "parley-"), out.Receipt.Worker)

	e = on(t, p)
	again, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	require.False(t, again.Claimed, "it is not known that an earlier attempt was ours")
	require.Contains(t, again.Detail, out.Receipt.Worker)
	require.Nil(t, again.Receipt)

	e = on(t, p)
	adopted, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Adopt: true})
	require.NoError(t, err)
	require.True(t, adopted.Claimed)

	missing := ref
	missing.ID = "none"
	e = on(t, p)
	_, err = run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: missing})
	detailsOf(t, conversation.NotFound, err)

	p.Cancel(ref)
	e = on(t, p)
	out, err = run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	require.False(t, out.Claimed)
	require.Contains(t, out.Detail, "it was cancelled")
}

// A claim whose answer was lost is found by the next attempt, and by a run that does
// not go on.
func TestTaskClaimAmbiguous(t *testing.T) {
	t.Parallel()
	p := oneTask(conversation.Task{})
	p.LoseAnswers(1)
	e := on(t, p)
	_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	details := detailsOf(t, conversation.Unavailable, err)
	require.True(t, details.Ambiguous)
	require.NotNil(t, details.Mark)
	require.Equal(t, 1, details.Mark.Sends)
	require.False(t, details.Mark.Cut.IsZero())

	e = on(t, p)
	out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Tried: details.Mark})
	require.NoError(t, err)
	require.True(t, out.Claimed)

	e = on(t, p)
	found, err := run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: ref, Tried: details.Mark})
	require.NoError(t, err)
	require.True(t, found.Ours)
	require.Equal(t, out.Receipt, found.Receipt)
	require.NotEmpty(t, found.RunID)

	e = on(t, p)
	found, err = run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: ref, Run: "the run that it was reset from"})
	require.NoError(t, err)
	require.False(t, found.Ours, "that run has another name")
}

// What is not known after a claim that failed is known to be ambiguous, if an earlier
// attempt may have landed.
func TestTaskClaimAfterAnAmbiguousOne(t *testing.T) {
	t.Parallel()
	refuses := &failingTasks{FakeTasks: oneTask(conversation.Task{}), err: &conversation.Error{Kind: conversation.Unauthorized, Op: "claim", Err: errors.New("wrong key")}}
	for tried, ambiguous := range map[*activities.Mark]bool{nil: false, {Time: time.Now(), Sends: 1}: true} {
		e := on(t, refuses)
		_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Tried: tried})
		details := detailsOf(t, conversation.Unauthorized, err)
		require.Equal(t, ambiguous, details.Ambiguous)
		require.Equal(t, tried != nil, details.Mark != nil, "a request that was refused counts for nothing")
	}
}

// failingTasks refuses claims and reports.
type failingTasks struct {
	*platformtest.FakeTasks
	err error
}

func (f *failingTasks) Claim(context.Context, conversation.Ref, platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{}, f.err
}

func (f *failingTasks) FindClaim(context.Context, conversation.Ref, platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{}, f.err
}

func (f *failingTasks) Report(context.Context, conversation.Ref, platforms.Report) error {
	return f.err
}

func TestTaskContext(t *testing.T) {
	t.Parallel()
	p := oneTask(conversation.Task{Payload: json.RawMessage(`{"message":"count the tides"}`)})
	context := func() (activities.ContextResult, error) {
		e := on(t, p)
		return run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref, CarryBytes: 1 << 10})
	}
	about, err := context()
	require.NoError(t, err)
	require.Equal(t, "count the tides", about.Messages[0].Text())
	require.Equal(t, 1, about.Count)
	require.Zero(t, about.Turns)
	require.Equal(t, platforms.StateOpen, about.State)
	require.NotEmpty(t, about.RunID)

	p.Cancel(ref)
	over, err := context()
	require.NoError(t, err)
	require.Equal(t, platforms.StateEnded, over.State)
	require.Equal(t, conversation.EndedByPlatform, over.EndedBy)
	require.Equal(t, "it was cancelled", over.EndDetail)
	require.Equal(t, about.Context, over.Context, "a callback may have to be sent")

	e := on(t, p)
	missing := ref
	missing.ID = "none"
	_, err = run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: missing})
	detailsOf(t, conversation.NotFound, err)
}

// A task that is too large to be recorded is reported as such, and not run.
func TestTaskTooLarge(t *testing.T) {
	t.Parallel()
	large := json.RawMessage(`{"message":"` + strings.Repeat("x", conversation.MaxTask) + `"}`)
	p := oneTask(conversation.Task{Payload: large, Callback: &conversation.Callback{URL: "http://example.com"}})
	e := on(t, p)
	out, err := run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
	require.NoError(t, err)
	require.Contains(t, out.Fault, "at most")
	require.Empty(t, out.Messages)
	require.Empty(t, out.Context.Task.Payload)
	require.Equal(t, "http://example.com", out.Context.Task.Callback.URL, "the callback is sent all the same")

	p = oneTask(conversation.Task{Callback: &conversation.Callback{URL: "http://example.com/" + strings.Repeat("x", conversation.MaxTask)}})
	e = on(t, p)
	_, err = run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
	detailsOf(t, conversation.Invalid, err)
}

// taskless is a platform of tasks whose contexts have none.
type taskless struct{ *platformtest.FakeTasks }

func (taskless) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, nil
}

func TestTaskWithoutATask(t *testing.T) {
	t.Parallel()
	e := on(t, taskless{oneTask(conversation.Task{})})
	_, err := run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
	detailsOf(t, conversation.Invalid, err)
	require.ErrorContains(t, err, "does not say what is to be done")
}

func TestReportOnce(t *testing.T) {
	t.Parallel()
	p := oneTask(conversation.Task{})
	e := on(t, p)
	claim, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	in := activities.ReportInput{Ref: ref, Report: platforms.Report{Receipt: *claim.Receipt, Status: conversation.TaskSuccess}}

	p.LoseAnswers(1)
	e = on(t, p)
	_, err = run[activities.ReportResult](t, e, e.activities.Report, in)
	details := detailsOf(t, conversation.Unavailable, err)
	require.Equal(t, 1, details.Mark.Sends)

	in.Tried = details.Mark
	e = on(t, p)
	_, err = run[activities.ReportResult](t, e, e.activities.Report, in)
	require.NoError(t, err)
	require.Len(t, p.Reports(ref), 1)
	require.False(t, p.Reports(ref)[0].Tried, "the first has landed")
}

// A key that is wrong, or a delay that is long, does not end the acknowledgement: what
// is not acknowledged stays claimed.
func TestReportIsPatient(t *testing.T) {
	t.Parallel()
	for kind, want := range map[conversation.Kind]conversation.Kind{
		conversation.Unauthorized:   conversation.Unavailable,
		conversation.QuotaExhausted: conversation.Unavailable,
		conversation.RateLimited:    conversation.RateLimited,
		conversation.Invalid:        conversation.Invalid,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := &failingTasks{FakeTasks: oneTask(conversation.Task{}), err: &conversation.Error{
				Kind: kind, Op: "report", Err: errors.New("no"), RetryAfter: 24 * time.Hour, Remedy: "put the key back",
			}}
			e := on(t, p)
			_, err := run[activities.ReportResult](t, e, e.activities.Report, activities.ReportInput{Ref: ref})
			details := detailsOf(t, want, err)
			require.Equal(t, activities.LongestRetryDelay, details.RetryAfter)
			require.Equal(t, "put the key back", details.Remedy)

			e = on(t, p)
			_, err = run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: ref})
			detailsOf(t, want, err)
		})
	}
	e := on(t, &failingTasks{FakeTasks: oneTask(conversation.Task{}), err: errors.New("who knows")})
	_, err := run[activities.ReportResult](t, e, e.activities.Report, activities.ReportInput{Ref: ref})
	detailsOf(t, conversation.Unavailable, err)
}

// Each shape refuses the steps of another, finally: the workflow was started for that.
func TestStepsOfAnotherShape(t *testing.T) {
	t.Parallel()
	task, talk, carried := oneTask(conversation.Task{}), &platformtest.FakeConversations{}, &platformtest.FakeTransport{}
	direct := ref
	direct.Platform = conversation.DirectPlatform
	for name, tt := range map[string]struct {
		on   platforms.Platform
		step func(e env) error
		text string
	}{
		"exchange on tasks": {task, func(e env) error {
			_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref})
			return err
		}, "it has tasks, which have one turn"},
		"end on tasks": {task, func(e env) error {
			_, err := run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref})
			return err
		}, "report how one has ended"},
		"report on conversations": {talk, func(e env) error {
			_, err := run[activities.ReportResult](t, e, e.activities.Report, activities.ReportInput{Ref: ref})
			return err
		}, "it has conversations, not tasks"},
		"report on a transport": {carried, func(e env) error {
			_, err := run[activities.ReportResult](t, e, e.activities.Report, activities.ReportInput{Ref: ref})
			return err
		}, "it has conversations, not tasks"},
		"watch on conversations": {talk, func(e env) error {
			_, err := run[activities.WatchResult](t, e, e.activities.Watch, activities.WatchInput{Ref: ref})
			return err
		}, "it has conversations, not tasks"},
		"notify what does not listen": {talk, func(e env) error {
			_, err := run[activities.NotifyResult](t, e, e.activities.Notify, activities.NotifyInput{Platform: "fake"})
			return err
		}, "it does not listen to events"},
		"a direct conversation": {talk, func(e env) error {
			_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: direct})
			return err
		}, "a direct conversation has no platform"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.step(on(t, tt.on))
			detailsOf(t, conversation.Invalid, err)
			require.ErrorContains(t, err, tt.text)
		})
	}
}
