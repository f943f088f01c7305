package platformtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A TasksFixture is a platform of tasks, with something behind it.
type TasksFixture struct {
	Platform platforms.Tasks
	// Fresh makes an occurrence of a task that is due. Every call makes another one.
	Fresh func(testing.TB) conversation.Ref
	// Unknown names an occurrence of a task that there is not.
	Unknown conversation.Ref
	// Cancel cancels a task on the platform.
	Cancel func(testing.TB, conversation.Ref)
	// Acknowledged counts the acknowledgements of the occurrence that count for the
	// platform.
	Acknowledged func(testing.TB, conversation.Ref) int
	// Secrets are what no error may contain.
	Secrets []string
	// Front and BadRow are as in [ConversationsFixture].
	Front  *Front
	BadRow func(testing.TB)
}

// RunTasks runs the suite of platforms.Tasks. It calls setup for every case, from
// parallel tests.
func RunTasks(t *testing.T, setup func(testing.TB) TasksFixture) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *tasksBundle)
	}{
		{"Shape", testTasksShape},
		{"ClaimOnce", testTaskClaimOnce},
		{"ClaimRace", testTaskClaimRace},
		{"ClaimTried", testTaskClaimTried},
		{"FindClaim", testFindClaim},
		{"TaskIsKnown", testTaskIsKnown},
		{"ContextOfWhatIsOver", testContextEnded},
		{"Cancelled", testCancelledTask},
		{"ClaimCancelled", testClaimCancelled},
		{"ReportOnce", testReportOnce},
		{"ReportFailure", testReportFailure},
		{"ReportCancelled", testReportCancelled},
		{"UnknownTask", testUnknownTask},
		{"CancelledContext", testTasksCancelled},
		{"IsSource", testTasksSource},
		{"ForeignAnswers", testTasksForeignAnswers},
		{"LostRight", testTasksLostRight},
		{"BadRow", testTasksBadRow},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			c.test(t, &tasksBundle{f, f.Secrets})
		})
	}
}

// A tasksBundle is a fixture with what the cases do with it.
type tasksBundle struct {
	TasksFixture
	secrets
}

func (f *tasksBundle) claim(t testing.TB, ref conversation.Ref, worker string) platforms.Receipt {
	t.Helper()
	receipt, err := f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: worker})
	require.NoError(t, err)
	require.LessOrEqual(t, len(receipt.State), 4<<10, "the receipt is recorded")
	return receipt
}

func testTasksShape(t *testing.T, f *tasksBundle) {
	require.NotNil(t, shape(t, f.Platform).Tasks)
}

func testTaskClaimOnce(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	f.claim(t, ref, "parley-one")
	_, err := f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: "parley-two"})
	f.kind(t, conversation.Claimed, err, "a second claim")
}

func testTaskClaimRace(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			_, errs[i] = f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: fmt.Sprint("parley-", i)})
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
func testTaskClaimTried(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	first := f.claim(t, ref, "parley-one")
	again, err := f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: "parley-one", Tried: true})
	require.NoError(t, err)
	require.Equal(t, first, again, "the same claim has the same receipt")
	_, err = f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: "parley-two", Tried: true})
	f.kind(t, conversation.Claimed, err, "another worker's claim")

	fresh := f.Fresh(t)
	_, err = f.Platform.Claim(t.Context(), fresh, platforms.Claim{Worker: "parley-one", Tried: true})
	require.NoError(t, err, "an attempt that has not landed")
}

// FindClaim finds out whether a claim took effect, without making one.
func testFindClaim(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	one, two := platforms.Claim{Worker: "parley-one", Tried: true}, platforms.Claim{Worker: "parley-two", Tried: true}
	_, err := f.Platform.FindClaim(t.Context(), ref, one)
	f.kind(t, conversation.Claimed, err, "a claim that has not landed")
	first := f.claim(t, ref, one.Worker)
	held, err := f.Platform.FindClaim(t.Context(), ref, one)
	require.NoError(t, err)
	require.Equal(t, first, held, "the same claim has the same receipt")
	_, err = f.Platform.FindClaim(t.Context(), ref, two)
	f.kind(t, conversation.Claimed, err, "another worker's claim")
	require.NoError(t, f.Platform.Report(t.Context(), ref, platforms.Report{Receipt: first, Status: conversation.TaskFailed}))
	_, err = f.Platform.FindClaim(t.Context(), ref, one)
	f.kind(t, conversation.Claimed, err, "a claim that is over")
}

func testTaskIsKnown(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	f.claim(t, ref, "parley-one")
	about, err := f.Platform.Context(t.Context(), ref)
	require.NoError(t, err)
	require.NotNil(t, about.Task, "the context says what is to be done")
	require.False(t, about.Task.ScheduledFor.IsZero(), "and when it was due")
	for _, secret := range f.Secrets {
		require.NotContains(t, fmt.Sprintf("%+v", about), secret)
	}
}

// What is over has a context all the same: its callback may have to be called.
func testContextEnded(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	receipt := f.claim(t, ref, "parley-one")
	before, err := f.Platform.Context(t.Context(), ref)
	require.NoError(t, err)
	require.NoError(t, f.Platform.Report(t.Context(), ref, platforms.Report{Receipt: receipt, Status: conversation.TaskSuccess}))
	after, err := f.Platform.Context(t.Context(), ref)
	f.kind(t, conversation.Ended, err, "the context of a task that was acknowledged")
	require.Equal(t, before, after)

	cancelled := f.Fresh(t)
	f.Cancel(t, cancelled)
	about, err := f.Platform.Context(t.Context(), cancelled)
	f.kind(t, conversation.Ended, err, "the context of a task that was cancelled")
	require.NotNil(t, about.Task)
}

func testCancelledTask(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	receipt := f.claim(t, ref, "parley-one")
	gone, err := f.Platform.Cancelled(t.Context(), ref, receipt)
	require.NoError(t, err)
	require.False(t, gone)
	f.Cancel(t, ref)
	gone, err = f.Platform.Cancelled(t.Context(), ref, receipt)
	require.NoError(t, err)
	require.True(t, gone)
}

func testClaimCancelled(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	f.Cancel(t, ref)
	_, err := f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: "parley-one"})
	f.kind(t, conversation.Claimed, err, "a claim of a task that was cancelled")
}

// Reporting twice has the effect of once, whether or not the caller knows that the
// first has landed.
func testReportOnce(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	report := platforms.Report{Receipt: f.claim(t, ref, "parley-one"), Status: conversation.TaskSuccess, Duration: time.Second}
	require.Zero(t, f.Acknowledged(t, ref))
	for _, tried := range []bool{false, true, true} {
		report.Tried = tried
		require.NoError(t, f.Platform.Report(t.Context(), ref, report))
		require.Equal(t, 1, f.Acknowledged(t, ref))
	}
	_, err := f.Platform.Claim(t.Context(), ref, platforms.Claim{Worker: "parley-two"})
	f.kind(t, conversation.Claimed, err, "a claim of an occurrence that is over")
}

func testReportFailure(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	report := platforms.Report{Receipt: f.claim(t, ref, "parley-one"), Status: conversation.TaskFailed, Error: "no luck"}
	require.NoError(t, f.Platform.Report(t.Context(), ref, report))
	require.Equal(t, 1, f.Acknowledged(t, ref))
}

func testReportCancelled(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	report := platforms.Report{Receipt: f.claim(t, ref, "parley-one"), Status: conversation.TaskSuccess}
	f.Cancel(t, ref)
	require.NoError(t, f.Platform.Report(t.Context(), ref, report), "a task that is over is no error")
}

func testUnknownTask(t *testing.T, f *tasksBundle) {
	_, err := f.Platform.Context(t.Context(), f.Unknown)
	f.kind(t, conversation.NotFound, err, "context")
	_, err = f.Platform.Claim(t.Context(), f.Unknown, platforms.Claim{Worker: "parley-one"})
	require.Error(t, err)
	f.clean(t, err)
	require.Contains(t, []conversation.Kind{conversation.NotFound, conversation.Claimed}, conversation.KindOf(err))
	gone, err := f.Platform.Cancelled(t.Context(), f.Unknown, platforms.Receipt{})
	require.NoError(t, err)
	require.True(t, gone, "the result of a task that there is not is not wanted")
}

func testTasksCancelled(t *testing.T, f *tasksBundle) {
	ref := f.Fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Platform.Claim(ctx, ref, platforms.Claim{Worker: "parley-one"})
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	_, err = f.Platform.Cancelled(ctx, ref, platforms.Receipt{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, f.Platform.Report(ctx, ref, platforms.Report{Status: conversation.TaskSuccess}), context.Canceled)
	f.claim(t, ref, "parley-one") // nothing has landed
}

func testTasksSource(t *testing.T, f *tasksBundle) {
	source, ok := platforms.As[platforms.Source](f.Platform)
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
	f.claim(t, ref, "parley-one")
	require.False(t, listed(), "it is claimed")
}
