package activities_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/platformtest"
	"github.com/parley-run/parley/tools"
)

// effects counts what a worker does to others.
type effects struct{ n int }

func (f *effects) Offer(context.Context, []string) ([]tools.Offered, error) { return nil, nil }

func (f *effects) Call(context.Context, string, tools.Call) (tools.Result, error) {
	f.n++
	return tools.Result{Content: "42"}, nil
}

func (f *effects) Deliver(context.Context, string, string, conversation.TaskResult) (int, error) {
	f.n++
	return 200, nil
}

// steps are the activities that have an effect, each over platforms of its own. The
// effects are counted by done.
type steps struct {
	fakes  *fakePlatform
	tasks  *platformtest.FakeTasks
	peer   *platformtest.FakeTransport
	model  *executortest.Fake
	others *effects
	cfg    activities.Config
}

func newSteps() *steps {
	s := &steps{
		fakes: &fakePlatform{send: answer}, tasks: &platformtest.FakeTasks{}, peer: &platformtest.FakeTransport{},
		model: &executortest.Fake{}, others: &effects{},
	}
	s.fakes.transcript.State = platforms.StateOpen
	s.tasks.Add(at("tasks"), conversation.Task{})
	s.cfg = activities.Config{
		Platforms: map[string]platforms.Instance{
			"fake": {Name: "fake", Platform: s.fakes, Settle: time.Hour}, "tasks": {Platform: s.tasks}, "peer": {Platform: s.peer},
		},
		Executors: oneExecutor{s.model}, Tools: s.others, Callbacks: s.others,
	}
	return s
}

// done counts the effects.
func (s *steps) done() int {
	n := s.fakes.claims + len(s.fakes.sends) + s.fakes.ends + len(s.peer.Sends(at("peer"))) + len(s.peer.Events()) +
		len(s.model.Requests()) + s.others.n + len(s.tasks.Reports(at("tasks")))
	open, _ := s.tasks.Open(context.Background(), "", ref.Agent)
	return n + len(open)
}

// at is ref on another platform.
func at(platform string) conversation.Ref {
	of := ref
	of.Platform = platform
	return of
}

// effectful names each kind of effect, and does the step that has it.
var effectful = map[string]struct {
	effect string // as Config.BeforeEffect names it
	do     func(t *testing.T, e env) error
}{
	"claim of a conversation": {"claim", func(t *testing.T, e env) error {
		_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
		return err
	}},
	"send to a platform": {"exchange", func(t *testing.T, e env) error {
		_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref})
		return err
	}},
	"send to a peer": {"exchange", func(t *testing.T, e env) error {
		_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: at("peer"), Messages: []conversation.Message{agent("hi")}})
		return err
	}},
	"request to a model": {"reply", func(t *testing.T, e env) error {
		_, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1})
		return err
	}},
	"call of a tool": {"tool", func(t *testing.T, e env) error {
		_, err := run[activities.CallToolResult](t, e, e.activities.CallTool, activities.CallToolInput{Ref: ref, Turn: 1})
		return err
	}},
	"end": {"end", func(t *testing.T, e env) error {
		_, err := run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref})
		return err
	}},
	"callback": {"callback", func(t *testing.T, e env) error {
		_, err := run[activities.DeliverResult](t, e, e.activities.Deliver, activities.DeliverInput{Attempts: 4})
		return err
	}},
	"notification": {"notify", func(t *testing.T, e env) error {
		_, err := run[activities.NotifyResult](t, e, e.activities.Notify, activities.NotifyInput{Platform: "peer"})
		return err
	}},
	"claim of a task": {"claim", func(t *testing.T, e env) error {
		of := at("tasks")
		_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: of})
		return err
	}},
	"acknowledgement of a task": {"report", func(t *testing.T, e env) error {
		_, err := run[activities.ReportResult](t, e, e.activities.Report, activities.ReportInput{Ref: at("tasks")})
		return err
	}},
}

// A process that is frozen between its record at Temporal and the effect has the effect
// afterwards only if Temporal confirms that its attempt is still the current one.
func TestFreezeBeforeTheEffect(t *testing.T) {
	t.Parallel()
	for name, step := range effectful {
		for meanwhile, tt := range map[string]struct {
			answer error // of Temporal, after the freeze
			text   string
		}{
			"nothing has happened":       {},
			"another attempt has begun":  {serviceerror.NewNotFound("activity"), "no longer the current one"},
			"Temporal cannot be reached": {serviceerror.NewUnavailable("cut off"), "nothing was sent"},
		} {
			t.Run(name+"/"+meanwhile, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, server := newSteps(), &temporalServer{}
					var seen []string
					s.cfg.Heartbeats = server
					s.cfg.BeforeEffect = func(effect string) {
						seen = append(seen, effect)
						time.Sleep(time.Minute) // no heartbeat goes out
						server.set(tt.answer)
					}
					a, err := activities.NewConversation(s.cfg)
					require.NoError(t, err)
					err = step.do(t, newEnvOf(t, a))
					require.Equal(t, []string{step.effect}, seen)
					if tt.answer == nil {
						require.NoError(t, err)
						require.Equal(t, 1, s.done())
						return
					}
					require.ErrorContains(t, err, tt.text)
					require.Zero(t, s.done())
					a.Wait()
				})
			})
		}
	}
}

// An attempt that did nothing leaves no mark: the next one sends without reading first.
func TestFrozenAttemptLeavesNoMark(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"claim of a conversation", "send to a platform", "call of a tool", "claim of a task"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, server := newSteps(), &temporalServer{}
				s.cfg.Heartbeats = server
				s.cfg.BeforeEffect = func(string) {
					time.Sleep(time.Minute)
					server.set(serviceerror.NewUnavailable("cut off"))
				}
				a, err := activities.NewConversation(s.cfg)
				require.NoError(t, err)
				details := detailsOf(t, conversation.Unavailable, effectful[name].do(t, newEnvOf(t, a)))
				require.Nil(t, details.Mark)
				require.False(t, details.Ambiguous)
				require.Equal(t, "check the connection to Temporal and the server's load", details.Remedy)
			})
		})
	}
}

// Before any effect Temporal has the record of it. Without the record there is no effect.
func TestNoEffectWithoutARecord(t *testing.T) {
	t.Parallel()
	for name, step := range effectful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSteps()
			s.cfg.Heartbeats = &temporalServer{answer: serviceerror.NewUnavailable("cut off")}
			a, err := activities.NewConversation(s.cfg)
			require.NoError(t, err)
			err = step.do(t, newEnvOf(t, a))
			details := detailsOf(t, conversation.Unavailable, err)
			require.False(t, details.Ambiguous, "nothing was sent")
			require.Zero(t, s.done())
			a.Wait()
		})
	}
}

// stalled is a platform, a model, a tool and a callback that answer only when the attempt
// ends.
type stalled struct{ platforms.Platform }

func stall(ctx context.Context) error {
	<-ctx.Done()
	return &conversation.Error{Kind: conversation.Unavailable, Op: "request", Err: errors.New("cut off"), Ambiguous: true}
}

func (stalled) Check(context.Context, string, string) error { return nil }

func (stalled) Claim(ctx context.Context, _ conversation.Ref) error { return stall(ctx) }

func (stalled) Context(ctx context.Context, _ conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, stall(ctx)
}

func (stalled) Transcript(ctx context.Context, _ conversation.Ref) (platforms.Transcript, error) {
	return platforms.Transcript{}, stall(ctx)
}

func (stalled) Send(ctx context.Context, _ conversation.Ref, _ platforms.Send) (platforms.Reply, error) {
	return platforms.Reply{}, stall(ctx)
}

func (stalled) End(ctx context.Context, _ conversation.Ref) error { return stall(ctx) }

func (stalled) Notify(ctx context.Context, _ conversation.Event) error { return stall(ctx) }

type stalledTasks struct{ *platformtest.FakeTasks }

func (stalledTasks) Claim(ctx context.Context, _ conversation.Ref, _ platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{}, stall(ctx)
}

func (stalledTasks) FindClaim(ctx context.Context, _ conversation.Ref, _ platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{}, stall(ctx)
}

func (stalledTasks) Report(ctx context.Context, _ conversation.Ref, _ platforms.Report) error {
	return stall(ctx)
}

type stalledOthers struct{ effects }

func (*stalledOthers) Call(ctx context.Context, _ string, _ tools.Call) (tools.Result, error) {
	return tools.Result{}, stall(ctx)
}

func (*stalledOthers) Deliver(ctx context.Context, _, _ string, _ conversation.TaskResult) (int, error) {
	return 0, stall(ctx)
}
