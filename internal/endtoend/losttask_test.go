package endtoend_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A lossyLine loses the answer that brings a worker the task of its second exchange, once, and
// may do more from then on.
type lossyLine struct {
	noPolls bool // the worker gets activities with its workflow tasks alone
	cut     bool // nothing passes

	mu        sync.Mutex
	exchanges int
	lost      chan struct{} // closed once that answer is lost
}

func (l *lossyLine) intercept(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if _, polls := req.(*workflowservice.PollActivityTaskQueueRequest); l.cut || polls && l.noPolls {
		var hangUp context.CancelFunc
		ctx, hangUp = context.WithCancel(ctx)
		defer hangUp()
		go func() {
			select {
			case <-l.lost:
				hangUp()
			case <-ctx.Done():
			}
		}()
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	if answer, ok := reply.(*workflowservice.RespondWorkflowTaskCompletedResponse); ok && err == nil && l.loses(answer) {
		proto.Reset(answer)
		return status.Error(codes.Unavailable, "the line is cut")
	}
	return err
}

// over reports whether the answer is lost.
func (l *lossyLine) over() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

// loses reports whether this answer is the one that is lost.
func (l *lossyLine) loses(answer *workflowservice.RespondWorkflowTaskCompletedResponse) bool {
	exchange := slices.ContainsFunc(answer.GetActivityTasks(), func(task *workflowservice.PollActivityTaskQueueResponse) bool {
		return strings.HasPrefix(task.GetActivityId(), "exchange-")
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if !exchange {
		return false
	}
	if l.exchanges++; l.exchanges == 2 {
		close(l.lost)
	}
	return l.exchanges == 2
}

// The answer that brings an exchange's task is lost: Temporal has started an attempt that no
// worker knows of. The message is sent once all the same, without an operator, as long as the
// worker lives that has waited for the answer. Otherwise the conversation parks.
func TestLostTask(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		line   *lossyLine
		others int
		parks  bool
	}{
		"the same worker gets the next attempt": {line: &lossyLine{}},
		"another worker gets the next attempt":  {line: &lossyLine{noPolls: true}, others: 1},
		"that worker is gone":                   {line: &lossyLine{cut: true}, others: 1, parks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 50}, Settle: 3 * time.Second,
				Policy: conversation.Policy{MaxTurns: 3},
			})
			line := tt.line
			line.lost = make(chan struct{})
			startDialled(t, r, line.intercept)
			id := r.Start(t, r.Waiting(t)[0].Ref)
			rig.Eventually(t, line.over, "no answer was lost: exchanges have marks")
			for range tt.others {
				startDialled(t, r)
			}
			if tt.parks {
				rig.Eventually(t, func() bool { return r.Status(t, id).Attention != nil }, "it does not park")
				attention := r.Status(t, id).Attention
				require.Equal(t, conversation.Ambiguous, attention.Kind)
				require.Contains(t, attention.Reason, "the agent's message was about to be sent at ")
				require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
			}
			outcome, err := r.Outcome(t, id)
			require.NoError(t, err)
			require.Equal(t, conversation.OutcomeBudgetSpent, outcome.Kind, "%+v", outcome)
			require.Empty(t, r.Status(t, id).Attention)
			report := r.Sim.Report().Conversations[0]
			require.Equal(t, 3, report.AgentMessages)
			require.Equal(t, 4, report.PersonaMessages)
			r.RequireOnce(t)
		})
	}
}

// startDialled starts a worker with a connection of its own, which knows of its requests.
func startDialled(t *testing.T, r *rig.Rig, between ...grpc.UnaryClientInterceptor) {
	t.Helper()
	c, err := connect.Dial(t.Context(), connect.Options{
		Address: localstacktest.Address(t), Namespace: client.DefaultNamespace, Identity: t.Name(),
		Change: func(o *client.Options) {
			o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(between...))
		},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w, err := process.New(process.Options{
		Client: c, TaskQueue: r.TaskQueue, Platforms: r.Platforms(), Executors: r.Executors(), Drain: time.Second, Identity: t.Name(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}
