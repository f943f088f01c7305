package activities_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// scripted is a source that answers each question with the next error. After the
// last, its key is refused, which ends the poll.
type scripted struct {
	*fakePlatform
	answers []error
}

func (s *scripted) Assigned(context.Context, string, string) ([]platforms.Assignment, error) {
	if len(s.answers) == 0 {
		return nil, &conversation.Error{Kind: conversation.Unauthorized, Err: errors.New("over")}
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return nil, err
}

func (s *scripted) Open(context.Context, string, string) ([]platforms.Assignment, error) {
	return nil, nil
}

// noRuns has nothing to start.
type noRuns struct{ activities.Runs }

func (noRuns) ListOpen(context.Context, string) ([]activities.OpenRun, error) { return nil, nil }
func (noRuns) RemoveLimit(context.Context, string) error                      { return nil }

// logged keeps what is written at the levels that people see.
type logged struct {
	quiet
	mu    sync.Mutex
	lines []string
}

func (l *logged) Info(msg string, args ...any) { l.add("INFO", msg, args) }
func (l *logged) Warn(msg string, args ...any) { l.add("WARN", msg, args) }

func (l *logged) add(level, msg string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(msg, "list") { // not the SDK's own
		l.lines = append(l.lines, level+" "+msg+" "+fmt.Sprint(args...))
	}
}

// A platform that is away is logged once, whatever the number of polls, and so is
// another fault after it, and its return.
func TestPollLogsOutages(t *testing.T) {
	t.Parallel()
	away := &conversation.Error{Kind: conversation.Unavailable, Op: "poll", Err: errors.New("connection refused"), Remedy: "start it"}
	busy := &conversation.Error{Kind: conversation.RateLimited, Op: "poll", Err: errors.New("slow down")}
	source := &scripted{fakePlatform: &fakePlatform{}}
	inbox, err := activities.NewInbox(activities.InboxConfig{
		Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: source}}, Runs: noRuns{},
	})
	require.NoError(t, err)
	log := &logged{}
	poll := func(answers ...error) []string {
		source.answers, log.lines = answers, nil
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(log)
		env := suite.NewTestActivityEnvironment()
		inbox.Register(env)
		value, err := env.ExecuteActivity(inbox.Poll, activities.PollInput{Platform: "fake", Agent: "a-1", Settings: activities.InboxSettings{Interval: time.Millisecond}})
		require.NoError(t, err)
		var out activities.PollResult
		require.NoError(t, value.Get(&out))
		require.Contains(t, out.Failure.Reason, "over")
		last := len(log.lines) - 1
		require.Contains(t, log.lines[last], "stops claiming")
		return log.lines[:last]
	}

	require.Empty(t, poll(nil, nil), "nothing is wrong")
	lines := poll(away, away, busy, busy, away)
	require.Len(t, lines, 3)
	for i, want := range []string{"connection refused", "slow down", "connection refused"} {
		require.Contains(t, lines[i], "WARN")
		require.Contains(t, lines[i], want)
		require.Contains(t, lines[i], "fake")
		require.Contains(t, lines[i], "a-1")
	}
	require.Contains(t, lines[0], "start it")
	require.Contains(t, lines[1], "doctor")
	lines = poll(away, away, nil, nil)
	require.Len(t, lines, 1, "the next poll of the same inbox")
	require.Contains(t, lines[0], "INFO")
	require.Contains(t, lines[0], "lasted")
	require.Len(t, poll(away, nil, away, nil), 4)
}

// partial lists what it can and tells of what it cannot.
type partial struct {
	scripted
	listed chan struct{}
}

func (p *partial) Open(context.Context, string, string) ([]platforms.Assignment, error) {
	close(p.listed)
	return nil, nil
}

// What cannot be listed does not keep orphans from being found.
func TestPollAdoptsBesideFaults(t *testing.T) {
	t.Parallel()
	odd := &platforms.RowError{ID: "odd", Err: errors.New("an odd one")}
	source := &partial{scripted{fakePlatform: &fakePlatform{}, answers: []error{odd}}, make(chan struct{})}
	inbox, err := activities.NewInbox(activities.InboxConfig{
		Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: source}}, Runs: noRuns{},
	})
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestActivityEnvironment()
	inbox.Register(env)
	_, err = env.ExecuteActivity(inbox.Poll, activities.PollInput{Platform: "fake", Settings: activities.InboxSettings{Interval: time.Millisecond, AdoptAfter: time.Hour}})
	require.NoError(t, err)
	select {
	case <-source.listed:
	default:
		t.Fatal("no poll listed the orphans")
	}
}
