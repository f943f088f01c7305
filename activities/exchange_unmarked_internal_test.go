package activities

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/ticket"
	"github.com/parley-run/parley/platforms"
)

// issuing is a server whose client knows how its task came, and which tickets are lost.
type issuing struct {
	*server
	eager bool
	lost  string
}

func (i issuing) TaskRequested([]byte) (time.Time, bool) { return time.Now(), i.eager }

func (i issuing) TaskLost(ticket string) bool { return ticket == i.lost }

// What an attempt takes for sent before it has read anything: by how its task came, what is
// recorded, and what the worker knows of the ticket.
func TestPresume(t *testing.T) {
	t.Parallel()
	scheduled := time.Unix(1_000_000, 0)
	earlier := &Mark{Time: scheduled.Add(-time.Minute), Sends: 1, Ticket: "of an activity before"}
	sent := &Mark{Time: scheduled, Sends: 1, Slowest: time.Second, Ticket: "t-1"}
	marked := &Mark{Time: scheduled, Sends: 1}
	for name, tt := range map[string]struct {
		in      ExchangeInput
		mark    *Mark
		attempt int32
		ticket  string
		lost    string
		eager   bool
		details bool
		queued  time.Duration

		want *Mark
		asks bool
	}{
		"a first attempt, eager":                       {attempt: 1, ticket: "t-1", eager: true},
		"a first attempt, from the queue":              {attempt: 1, ticket: "t-1", queued: time.Second},
		"a first attempt, long in the queue":           {attempt: 1, ticket: "t-1", queued: time.Minute, want: &Mark{Time: scheduled, Answered: true, Slowest: time.Second}},
		"a second attempt":                             {attempt: 2, ticket: "t-1", want: sent, asks: true},
		"a second attempt, lost here":                  {attempt: 2, ticket: "t-1", lost: "t-1"},
		"a second attempt, another lost here":          {attempt: 2, ticket: "t-1", lost: "t-2", want: sent, asks: true},
		"a second attempt that only reads":             {attempt: 2, ticket: "t-1", in: ExchangeInput{ReadOnly: true}},
		"a second attempt without a ticket":            {attempt: 2, want: &Mark{Time: scheduled, Sends: 1, Slowest: time.Second}},
		"a second attempt after one that left word":    {attempt: 2, ticket: "t-1", details: true},
		"a second attempt after one with a mark":       {attempt: 2, ticket: "t-1", details: true, mark: marked, want: marked},
		"a second attempt, marks required":             {attempt: 2, ticket: "t-1", in: ExchangeInput{Run: "marks"}},
		"the activity after it, here":                  {attempt: 1, ticket: "t-2", lost: earlier.Ticket, eager: true, mark: earlier, in: ExchangeInput{Tried: earlier}},
		"the activity after it, elsewhere":             {attempt: 1, ticket: "t-2", eager: true, mark: earlier, in: ExchangeInput{Tried: earlier}, want: earlier},
		"the activity after one that sent with a mark": {attempt: 2, ticket: "t-2", mark: marked, in: ExchangeInput{Tried: marked}, want: marked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := tt.in
			in.Unmarked, in.Slowest = in.Run != "marks", time.Second
			e := &exchanging{
				attempt: &attempt{
					info: activity.Info{Attempt: tt.attempt, ScheduledTime: scheduled, StartedTime: scheduled.Add(tt.queued)},
					live: &liveness{client: issuing{lost: tt.lost}, eager: tt.eager},
				},
				in: in, mark: tt.mark, ticket: tt.ticket,
			}
			var detail any
			if tt.details {
				detail = Mark{}
			}
			insideWith(t, detail, func(ctx context.Context) {
				e.presume(ctx)
				require.Equal(t, tt.want, e.mark)
				require.Equal(t, tt.asks, e.asks)
			})
		})
	}
}

// insideWith runs fn in the context of an activity with heartbeat details. Nil: none.
func insideWith(t *testing.T, detail any, fn func(ctx context.Context)) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	e := suite.NewTestActivityEnvironment()
	if detail != nil {
		e.SetHeartbeatDetails(detail)
	}
	f := func(ctx context.Context) error { fn(ctx); return nil }
	e.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: "inside"})
	_, err := e.ExecuteActivity("inside")
	require.NoError(t, err)
}

type noExecutors struct{ Executors }

// said is a platform that answers, or not.
type said struct {
	platforms.Conversations
	err error
	n   int
}

func (s *said) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	return platforms.Transcript{State: platforms.StateOpen}, nil
}

func (s *said) Send(ctx context.Context, _ conversation.Ref, _ platforms.Send) (platforms.Reply, error) {
	s.n++
	return platforms.Reply{Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "yes")}}, s.err
}

// An eager first attempt records nothing before it sends, and where it fails that nothing is
// under way. Every other attempt records a mark first.
func TestUnmarked(t *testing.T) {
	t.Parallel()
	refused := &conversation.Error{Kind: conversation.Unavailable, Op: "send", Err: errors.New("down")}
	for name, tt := range map[string]struct {
		in     ExchangeInput
		polled bool
		ticket string
		err    error
		// before and all are the heartbeats before the request and in all.
		before, all int
		left        Mark // the last one's
	}{
		"eager":                {in: ExchangeInput{Unmarked: true}, ticket: "t"},
		"eager, and refused":   {in: ExchangeInput{Unmarked: true}, ticket: "t", err: refused, all: 1},
		"not allowed":          {ticket: "t", before: 1, all: 1, left: Mark{Sends: 1}},
		"without a ticket":     {in: ExchangeInput{Unmarked: true}, before: 1, all: 1, left: Mark{Sends: 1}},
		"from the queue":       {in: ExchangeInput{Unmarked: true}, polled: true, ticket: "t", before: 1, all: 1, left: Mark{Sends: 1}},
		"after a request":      {in: ExchangeInput{Unmarked: true, Tried: &Mark{Answered: true}}, ticket: "t", before: 1, all: 1, left: Mark{Sends: 1}},
		"refused with a mark":  {ticket: "t", err: refused, before: 1, all: 2},
		"not sent by its step": {in: ExchangeInput{Unmarked: true, Run: "another"}, ticket: "t", err: refused, all: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				p := &said{err: tt.err}
				before := -1
				a, err := NewConversation(Config{
					Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: p}}, Executors: noExecutors{},
					Heartbeats:   issuing{server: s, eager: !tt.polled},
					BeforeEffect: func(string) { before = s.count() },
				})
				require.NoError(t, err)
				var suite testsuite.WorkflowTestSuite
				suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
				e := suite.NewTestActivityEnvironment()
				e.SetWorkerOptions(worker.Options{BackgroundActivityContext: ticket.With(context.Background(), tt.ticket)})
				e.SetTestTimeout(time.Hour)
				a.Register(e)
				in := tt.in
				in.VerifyLater, in.Ref = true, conversation.Ref{Platform: "fake"}
				_, err = e.ExecuteActivity(a.Exchange, in)
				require.Equal(t, tt.err != nil, err != nil, "%v", err)
				if in.Run == "" {
					require.Equal(t, tt.before, before)
					require.Equal(t, 1, p.n)
				}
				require.Equal(t, tt.all, s.count())
				if recorded := s.recorded(); len(recorded) > 0 {
					require.Equal(t, tt.left.Sends, recorded[len(recorded)-1].(Mark).Sends)
				}
				a.Wait()
			})
		})
	}
}
