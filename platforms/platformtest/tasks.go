package platformtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A TasksFixture is a platform of tasks, with something behind it.
type TasksFixture struct {
	Platform interface {
		platforms.Platform
		platforms.Tasks
	}
	// Fresh makes an occurrence of a task that is due. Every call makes another one.
	Fresh func(testing.TB) conversation.Ref
	// Unknown names an occurrence of a task that there is not.
	Unknown conversation.Ref
	// Cancel withdraws a task on the platform.
	Cancel func(testing.TB, conversation.Ref)
	// Acknowledged counts how often the platform was told that the occurrence is over,
	// as far as it counts for it.
	Acknowledged func(testing.TB, conversation.Ref) int
	// Secrets are what no error may contain.
	Secrets []string
	// Front and BadRow are as in [Fixture].
	Front  *Front
	BadRow func(testing.TB)
}

// RunTasks runs the suite of platforms.Tasks. It calls setup for every case, from
// parallel tests.
func RunTasks(t *testing.T, setup func(testing.TB) TasksFixture) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, TasksFixture)
	}{
		{"TakeOnce", testTakeOnce},
		{"TakeRace", testTakeRace},
		{"TakeTried", testTakeTried},
		{"Held", testHeld},
		{"TaskIsKnown", testTaskIsKnown},
		{"Withdrawn", testWithdrawn},
		{"TakeWithdrawn", testTakeWithdrawn},
		{"ReportOnce", testReportOnce},
		{"ReportFailure", testReportFailure},
		{"ReportWithdrawn", testReportWithdrawn},
		{"UnknownTask", testUnknownTask},
		{"CancelledContext", testTasksCancelled},
		{"IsSource", testTasksSource},
		{"ForeignAnswers", testTasksForeignAnswers},
		{"LostRight", testTasksLostRight},
		{"BadRow", testTasksBadRow},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, setup(t))
		})
	}
}

func (f TasksFixture) take(t testing.TB, ref conversation.Ref, worker string) platforms.Receipt {
	t.Helper()
	receipt, err := f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: worker})
	require.NoError(t, err)
	require.LessOrEqual(t, len(receipt.State), 4<<10, "the receipt is recorded")
	return receipt
}

func (f TasksFixture) kind(t testing.TB, want conversation.Kind, err error, what string) {
	t.Helper()
	require.Error(t, err, what)
	require.Equal(t, want, conversation.KindOf(err), "%s: %v", what, err)
	f.clean(t, err)
}

func (f TasksFixture) clean(t testing.TB, err error) {
	t.Helper()
	for _, secret := range f.Secrets {
		require.False(t, strings.Contains(err.Error(), secret), "a secret is in an error")
	}
}

func testTakeOnce(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	f.take(t, ref, "parley-one")
	_, err := f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: "parley-two"})
	f.kind(t, conversation.Claimed, err, "a second claim")
}

func testTakeRace(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			_, errs[i] = f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: fmt.Sprint("parley-", i)})
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		f.kind(t, conversation.Claimed, err, "a claim that lost the race")
	}
	require.Equal(t, 1, won, "how many claims won")
}

// A claim whose answer was lost is found again, and is not made twice.
func testTakeTried(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	first := f.take(t, ref, "parley-one")
	again, err := f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: "parley-one", Tried: true})
	require.NoError(t, err)
	require.Equal(t, first, again, "the same claim has the same receipt")
	_, err = f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: "parley-two", Tried: true})
	f.kind(t, conversation.Claimed, err, "somebody else's claim")

	fresh := f.Fresh(t)
	_, err = f.Platform.Take(t.Context(), fresh, platforms.Claim{Worker: "parley-one", Tried: true})
	require.NoError(t, err, "an attempt that has not landed")
}

// Whether a claim has landed can be asked without making it.
func testHeld(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	one, two := platforms.Claim{Worker: "parley-one", Tried: true}, platforms.Claim{Worker: "parley-two", Tried: true}
	_, err := f.Platform.Held(t.Context(), ref, one)
	f.kind(t, conversation.Claimed, err, "a claim that has not landed")
	first := f.take(t, ref, one.Worker)
	held, err := f.Platform.Held(t.Context(), ref, one)
	require.NoError(t, err)
	require.Equal(t, first, held, "the same claim has the same receipt")
	_, err = f.Platform.Held(t.Context(), ref, two)
	f.kind(t, conversation.Claimed, err, "somebody else's claim")
	require.NoError(t, f.Platform.Report(t.Context(), ref, platforms.Report{Receipt: first, Status: conversation.TaskFailed}))
	_, err = f.Platform.Held(t.Context(), ref, one)
	f.kind(t, conversation.Claimed, err, "a claim that is over")
}

func testTaskIsKnown(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	f.take(t, ref, "parley-one")
	about, err := f.Platform.Context(t.Context(), ref)
	require.NoError(t, err)
	require.NotNil(t, about.Task, "the context says what is to be done")
	require.False(t, about.Task.ScheduledFor.IsZero(), "and when it was due")
	transcript, err := f.Platform.Transcript(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, platforms.StateOpen, transcript.State)
	require.Len(t, transcript.Messages, 1, "the task's message alone")
	require.Equal(t, conversation.RoleUser, transcript.Messages[0].Role)
	for _, secret := range f.Secrets {
		require.NotContains(t, fmt.Sprintf("%+v", about), secret)
	}
}

func testWithdrawn(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	receipt := f.take(t, ref, "parley-one")
	gone, err := f.Platform.Withdrawn(t.Context(), ref, receipt)
	require.NoError(t, err)
	require.False(t, gone)
	f.Cancel(t, ref)
	gone, err = f.Platform.Withdrawn(t.Context(), ref, receipt)
	require.NoError(t, err)
	require.True(t, gone)
}

func testTakeWithdrawn(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	f.Cancel(t, ref)
	_, err := f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: "parley-one"})
	f.kind(t, conversation.Claimed, err, "a claim of a task that was cancelled")
}

// Reporting twice has the effect of once, whether or not the caller knows that the
// first has landed.
func testReportOnce(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	report := platforms.Report{Receipt: f.take(t, ref, "parley-one"), Status: conversation.TaskSuccess, Took: time.Second}
	require.Zero(t, f.Acknowledged(t, ref))
	for _, tried := range []bool{false, true, true} {
		report.Tried = tried
		require.NoError(t, f.Platform.Report(t.Context(), ref, report))
		require.Equal(t, 1, f.Acknowledged(t, ref))
	}
	_, err := f.Platform.Take(t.Context(), ref, platforms.Claim{Worker: "parley-two"})
	f.kind(t, conversation.Claimed, err, "a claim of an occurrence that is over")
}

func testReportFailure(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	report := platforms.Report{Receipt: f.take(t, ref, "parley-one"), Status: conversation.TaskFailed, Error: "no luck"}
	require.NoError(t, f.Platform.Report(t.Context(), ref, report))
	require.Equal(t, 1, f.Acknowledged(t, ref))
}

func testReportWithdrawn(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	report := platforms.Report{Receipt: f.take(t, ref, "parley-one"), Status: conversation.TaskSuccess}
	f.Cancel(t, ref)
	require.NoError(t, f.Platform.Report(t.Context(), ref, report), "a task that is over is no error")
}

func testUnknownTask(t *testing.T, f TasksFixture) {
	_, err := f.Platform.Context(t.Context(), f.Unknown)
	f.kind(t, conversation.NotFound, err, "context")
	_, err = f.Platform.Take(t.Context(), f.Unknown, platforms.Claim{Worker: "parley-one"})
	require.Error(t, err)
	f.clean(t, err)
	require.Contains(t, []conversation.Kind{conversation.NotFound, conversation.Claimed}, conversation.KindOf(err))
	gone, err := f.Platform.Withdrawn(t.Context(), f.Unknown, platforms.Receipt{})
	require.NoError(t, err)
	require.True(t, gone, "nobody wants the result of a task that there is not")
}

func testTasksCancelled(t *testing.T, f TasksFixture) {
	ref := f.Fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Platform.Take(ctx, ref, platforms.Claim{Worker: "parley-one"})
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	_, err = f.Platform.Withdrawn(ctx, ref, platforms.Receipt{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, f.Platform.Report(ctx, ref, platforms.Report{Status: conversation.TaskSuccess}), context.Canceled)
	f.take(t, ref, "parley-one") // nothing has landed
}

func testTasksSource(t *testing.T, f TasksFixture) {
	source, ok := f.Platform.(platforms.Source)
	if !ok {
		return // its tasks come some other way
	}
	ref := f.Fresh(t)
	listed := func() bool {
		all, err := source.Assigned(t.Context(), ref.Project, ref.Agent)
		require.NoError(t, err)
		for _, a := range all {
			if a.Ref == ref {
				return true
			}
		}
		return false
	}
	require.True(t, listed(), "it is due")
	f.take(t, ref, "parley-one")
	require.False(t, listed(), "it is taken")
}
