package activities_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/platforms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ref = conversation.Ref{Platform: "fake", Project: "p", Simulation: "s", Agent: "a", ID: "c"}

// fakePlatform holds one conversation. Tests set what goes wrong.
type fakePlatform struct {
	mu         sync.Mutex
	transcript platforms.Transcript
	sends      [][]conversation.Message
	claims     int
	ends       int

	send     func(*fakePlatform, platforms.Send) (platforms.Reply, error)
	claim    error
	readErrs []error // one per reading
	readings int
	onRead   func(*fakePlatform)
}

func (p *fakePlatform) Claim(context.Context, conversation.Ref) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims++
	return p.claim
}

func (p *fakePlatform) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return conversation.Context{Scenario: "test"}, nil
}

func (p *fakePlatform) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readings++
	if p.onRead != nil {
		p.onRead(p)
	}
	if len(p.readErrs) > 0 {
		err := p.readErrs[0]
		p.readErrs = p.readErrs[1:]
		if err != nil {
			return platforms.Transcript{}, err
		}
	}
	return p.transcript, nil
}

func (p *fakePlatform) Send(_ context.Context, _ conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sends = append(p.sends, in.Messages)
	return p.send(p, in)
}

func (p *fakePlatform) End(context.Context, conversation.Ref) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends++
	p.transcript.State = platforms.StateEnded
	return nil
}

func (p *fakePlatform) Check(context.Context, string, string) error { return nil }

// take stores messages as the platform would.
func (p *fakePlatform) take(messages ...conversation.Message) {
	p.transcript.Messages = append(p.transcript.Messages, messages...)
}

func agent(text string) conversation.Message {
	return conversation.Text(conversation.RoleAssistant, text)
}
func persona(text string) conversation.Message { return conversation.Text(conversation.RoleUser, text) }

// answer takes the messages and says "yes".
func answer(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
	p.take(in.Messages...)
	p.take(persona("yes"))
	return platforms.Reply{Messages: []conversation.Message{persona("yes")}}, nil
}

type oneExecutor struct{ executors.Executor }

func (e oneExecutor) Resolve(context.Context, string) (string, executors.Executor, error) {
	return "resolved", e.Executor, nil
}

type env struct {
	*testsuite.TestActivityEnvironment
	activities *activities.Conversation
}

func newEnv(t *testing.T, p platforms.Platform, e executors.Executor, settle time.Duration) env {
	t.Helper()
	return newEnvWith(t, activities.Config{
		Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: p, Settle: settle}},
		Executors: oneExecutor{e},
	})
}

func newEnvWith(t *testing.T, cfg activities.Config) env {
	t.Helper()
	a, err := activities.NewConversation(cfg)
	require.NoError(t, err)
	return newEnvOf(t, a)
}

// newEnvOf is another attempt on the same worker.
func newEnvOf(t *testing.T, a *activities.Conversation) env {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	out := env{suite.NewTestActivityEnvironment(), a}
	out.SetTestTimeout(time.Minute)
	a.Register(out)
	return out
}

func run[R any](t *testing.T, e env, activity, in any) (R, error) {
	t.Helper()
	var out R
	value, err := e.ExecuteActivity(activity, in)
	if err != nil {
		return out, err
	}
	require.NoError(t, value.Get(&out))
	return out, nil
}

var errLost = &conversation.Error{Kind: conversation.Unavailable, Op: "send", Err: errors.New("connection lost"), Ambiguous: true}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// lastProgress keeps the newest heartbeat of a reply.
func lastProgress(to *activities.ReplyProgress) func(*activity.Info, converter.EncodedValues) {
	return func(_ *activity.Info, details converter.EncodedValues) {
		var p activities.ReplyProgress
		if details.HasValues() && details.Get(&p) == nil {
			*to = p
		}
	}
}
