package endtoend_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
)

// slowly streams an answer of that many words, each after a pause.
func slowly(words int, pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		send := modelstandin.Events(w)
		for i := range words {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-r.Context().Done():
				timer.Stop()
				return
			}
			send(word(i))
		}
		send(modelstandin.ChatDelta(nil, "stop"))
		send("[DONE]")
	}
}

func word(i int) string {
	return modelstandin.ChatDelta(map[string]any{"content": fmt.Sprintf("word%d ", i)}, "")
}

func words(n int) string {
	var b strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&b, "word%d ", i)
	}
	return b.String()
}

// A reply that streams for longer than the heartbeat timeout, on a real server and
// in real time: 20 seconds stand for ten minutes, 1:30, while the heartbeat timeout
// is its real 15 seconds. TestTenMinutesOfStreaming has the whole time.
func TestStreamOutlastsTheHeartbeat(t *testing.T) {
	t.Parallel()
	const n, pause = 40, 500 * time.Millisecond
	require.Greater(t, n*pause, activities.ReplyOptions(conversation.Policy{}).HeartbeatTimeout)
	model := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(modelstandin.Asked) modelstandin.Said {
		return modelstandin.Said{By: slowly(n, pause)}
	})
	e, err := openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "standin-1", APIKey: "test-key", BaseURL: model.URL + "/v1"}})
	require.NoError(t, err)
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 3},
		Executor: e, Policy: conversation.Policy{ReplyAttempts: 1},
	})
	r.StartWorker(t)
	ref := r.Waiting(t)[0].Ref
	requireOutcome(t, r, r.Start(t, ref), "ended by turn limit")
	require.Contains(t, texts(t, r, ref), "assistant: "+words(n))
	require.Len(t, model.Asked(), 1)
	r.RequireOnce(t)
}

// Ten minutes of streaming with the real timeouts, in the time of the bubble. The
// test environment of the SDK, which here stands for the server, gives up
// activities that do not send heartbeats; the second case proves that.
func TestTenMinutesOfStreaming(t *testing.T) {
	t.Parallel()
	const n, pause = 60, 10 * time.Second
	policy := conversation.Policy{ReplyTimeout: 12 * time.Minute, ReplyAttempts: 1}
	const silent = "silent" // a reply without heartbeats
	for _, name := range []string{activities.ReplyName, silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, err := openai.New(openai.Config{
					ModelConfig: executors.ModelConfig{
						Model: "standin-1", BaseURL: "http://model.test/v1", Timeout: 11 * time.Minute,
						HTTPClient: &http.Client{Transport: streaming(slowly(n, pause))},
					},
				})
				require.NoError(t, err)
				registry := executors.NewRegistry()
				require.NoError(t, registry.Add("agent", e, executors.About{}))
				a, err := activities.NewConversation(activities.Config{
					Executors: registry,
				})
				require.NoError(t, err)
				var suite testsuite.WorkflowTestSuite
				suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
				env := suite.NewTestWorkflowEnvironment()
				env.SetTestTimeout(time.Hour)
				a.Register(env)
				env.RegisterActivityWithOptions(func(ctx context.Context, in activities.ReplyInput) (activities.ReplyResult, error) {
					result, err := e.Execute(ctx, executors.Request{Turn: in.Turn})
					return activities.ReplyResult{Message: result.Message}, err
				}, activity.RegisterOptions{Name: silent})
				began := time.Now()
				env.ExecuteWorkflow(func(ctx workflow.Context) (string, error) {
					ctx = workflow.WithActivityOptions(ctx, activities.ReplyOptions(policy.WithDefaults()))
					future := workflow.ExecuteActivity(ctx, name, activities.ReplyInput{Executor: "agent", Turn: 1})
					var out activities.ReplyResult
					err := future.Get(ctx, &out)
					return out.Message.Text(), err
				})
				require.Equal(t, n*pause, time.Since(began).Round(time.Second))
				if name == silent {
					var timeout *temporal.TimeoutError
					require.ErrorAs(t, env.GetWorkflowError(), &timeout)
					require.Equal(t, enums.TIMEOUT_TYPE_HEARTBEAT, timeout.TimeoutType())
					return
				}
				require.NoError(t, env.GetWorkflowError())
				var said string
				require.NoError(t, env.GetWorkflowResult(&said))
				require.Equal(t, words(n), said)
			})
		})
	}
}

// streaming answers requests in memory, so that the clock can be the bubble's.
type streaming http.HandlerFunc

func (s streaming) RoundTrip(req *http.Request) (*http.Response, error) {
	r, w := io.Pipe()
	go func() {
		s(pipedResponse{w}, req)
		_ = w.Close()
	}()
	return &http.Response{
		StatusCode: http.StatusOK, Request: req, Body: r, Header: http.Header{"Content-Type": {"text/event-stream"}},
	}, nil
}

type pipedResponse struct{ io.Writer }

func (pipedResponse) Header() http.Header { return http.Header{} }
func (pipedResponse) WriteHeader(int)     {}

// A stream that stalls in the middle of a reply is given up after gap_timeout, 500
// milliseconds that stand for the default 30 seconds (1:60), and the next link of
// the chain answers instead. The next turn begins with the first link again.
func TestStalledStreamFailsOver(t *testing.T) {
	t.Parallel()
	stalls := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(modelstandin.Asked) modelstandin.Said {
		return modelstandin.Said{By: func(w http.ResponseWriter, r *http.Request) {
			modelstandin.Events(w)(word(0))
			<-r.Context().Done()
		}}
	})
	speaks := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Messages{}, func(a modelstandin.Asked) modelstandin.Said {
		return modelstandin.Said{Text: fmt.Sprintf("the second link, having heard %d", len(a.Lines))}
	})
	first, err := openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "standin-1", APIKey: "test-key", BaseURL: stalls.URL + "/v1", GapTimeout: 500 * time.Millisecond}})
	require.NoError(t, err)
	second, err := anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: "standin-1", APIKey: "test-key", BaseURL: speaks.URL}})
	require.NoError(t, err)
	chain, err := failover.New(rig.ExecutorName, failover.Config{Attempts: 1}, []failover.Link{
		{Name: "first", Executor: first}, {Name: "second", Executor: second},
	}, failover.NewBreakers(nil))
	require.NoError(t, err)
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5}, Executor: chain,
	})
	r.StartWorker(t)
	ref := r.Waiting(t)[0].Ref
	requireOutcome(t, r, r.Start(t, ref), "ended by turn limit")
	require.Equal(t, []string{
		"assistant: the second link, having heard 1", "assistant: the second link, having heard 3",
	}, spoken(texts(t, r, ref)))
	require.Len(t, stalls.Asked(), 2)
	require.Len(t, speaks.Asked(), 2)
	r.RequireOnce(t)
}
