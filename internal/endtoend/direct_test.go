package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// parrot answers with what was said and how much it has heard of the conversation.
type parrot struct {
	mu   sync.Mutex
	told map[string]int // by conversation and the last message
}

func (p *parrot) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	last := req.Messages[len(req.Messages)-1].Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == nil {
		p.told = map[string]int{}
	}
	p.told[req.Conversation.ID+"/"+last]++
	return executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, fmt.Sprintf("%d: %s", len(req.Messages), last)),
		End:     last == "bye",
	}, nil
}

func (p *parrot) times(id, text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told[id+"/"+text]
}

// directly opens a direct conversation on the rig.
func directly(r *rig.Rig, id string, policy conversation.Policy) launch.Direct {
	policy.Executor = rig.ExecutorName
	return launch.Direct{Open: true, Input: workflows.ConversationInput{Ref: launch.DirectRef(r.Name, id), Policy: policy}}
}

func say(id, text string) workflows.SendRequest { return workflows.SendRequest{ID: id, Text: text} }

func TestDirectConversation(t *testing.T) {
	t.Parallel()
	agent := &parrot{}
	r := rig.New(t, localstacktest.Client(t), rig.Options{Executor: agent})
	r.StartWorker(t)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()

	t.Run("a message gets its reply, once", func(t *testing.T) {
		d := directly(r, "once", conversation.Policy{})
		for range 2 {
			reply, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
			require.NoError(t, err)
			require.Equal(t, "1: hello", reply.Message.Text())
			require.Equal(t, 1, reply.Turn)
		}
		o := &operate.Operator{Reader: &records.Reader{Client: r.Client, Namespace: "default", TaskQueue: r.TaskQueue}}
		reply, err := r.Launcher.Send(ctx, d, say("m2", "and?"))
		require.NoError(t, err)
		require.Equal(t, "3: and?", reply.Message.Text())
		require.Equal(t, 1, agent.times("once", "hello"))
		require.NoError(t, r.Update(t, workflows.ConversationID(d.Input.Ref), workflows.UpdatePause, workflows.PauseRequest{}))
		require.NoError(t, r.Update(t, workflows.ConversationID(d.Input.Ref), workflows.UpdateResume, workflows.ResumeRequest{}))
		s := r.Status(t, workflows.ConversationID(d.Input.Ref))
		require.Equal(t, workflows.StateListening, s.State)
		require.Equal(t, 4, s.Messages)
		require.NoError(t, r.Update(t, workflows.ConversationID(d.Input.Ref), workflows.UpdateEnd, workflows.EndRequest{}))
		_, err = r.Outcome(t, workflows.ConversationID(d.Input.Ref))
		require.NoError(t, err)
		record, err := o.Show(ctx, workflows.ConversationID(d.Input.Ref))
		require.NoError(t, err)
		var said []string
		for _, m := range record.Messages {
			said = append(said, m.Text)
		}
		require.Equal(t, []string{"hello", "1: hello", "and?", "3: and?"}, said)
	})

	t.Run("many at once are answered in order", func(t *testing.T) {
		d := directly(r, "many", conversation.Policy{})
		var all errgroup.Group
		for i := range 20 {
			all.Go(func() error {
				text := fmt.Sprintf("say %d", i)
				reply, err := r.Launcher.Send(ctx, d, say(text, text))
				if err == nil && reply.Message.Text() != fmt.Sprintf("%d: %s", 2*reply.Turn-1, text) {
					err = fmt.Errorf("%q got %q in turn %d", text, reply.Message.Text(), reply.Turn)
				}
				return err
			})
		}
		require.NoError(t, all.Wait())
		require.Equal(t, 40, r.Status(t, workflows.ConversationID(d.Input.Ref)).Messages)
	})

	t.Run("it goes on over runs, and old messages keep their replies", func(t *testing.T) {
		d := directly(r, "runs", conversation.Policy{RunTurns: 2})
		for again := range 2 {
			var all errgroup.Group
			for i := range 9 {
				all.Go(func() error {
					text := fmt.Sprintf("say %d", i)
					reply, err := r.Launcher.Send(ctx, d, say(text, text))
					if err != nil {
						return fmt.Errorf("round %d: %w", again, err)
					}
					if want := fmt.Sprintf("%d: %s", 2*reply.Turn-1, text); reply.Message.Text() != want {
						return fmt.Errorf("round %d: got %q, want %q", again, reply.Message.Text(), want)
					}
					return nil
				})
			}
			require.NoError(t, all.Wait())
		}
		for i := range 9 {
			require.Equal(t, 1, agent.times("runs", fmt.Sprintf("say %d", i)))
		}
	})

	// JSON takes four times as much for this: just below the 512 KiB that are possible.
	t.Run("much markup goes on over runs", func(t *testing.T) {
		d := directly(r, "markup", conversation.Policy{RunTurns: 1})
		text := strings.Repeat("<a>&</a>\n", 14<<10)
		for turn := range 5 {
			reply, err := r.Launcher.Send(ctx, d, say(fmt.Sprint(turn), text))
			require.NoError(t, err)
			require.Equal(t, turn+1, reply.Turn)
			require.Contains(t, reply.Message.Text(), text)
		}
		for id := range 3 { // what is known of messages is not small either
			name := strings.Repeat("<", 190) + fmt.Sprint(id)
			_, err := r.Launcher.Send(ctx, d, say(name, "hello"))
			require.NoError(t, err)
		}
	})

	// The workflow forgets the texts of old replies. Temporal has them, by run.
	t.Run("old messages keep their replies when it has forgotten them, and when it is over", func(t *testing.T) {
		d := directly(r, "old", conversation.Policy{RunTurns: 1})
		var first []workflows.SendReply
		text := strings.Repeat("long ", 8<<10)
		for i := range 4 {
			reply, err := r.Launcher.Send(ctx, d, say(fmt.Sprint(i), text))
			require.NoError(t, err)
			first = append(first, reply)
		}
		again := func() {
			t.Helper()
			for range 2 { // in a run that has been asked for it before, too
				for i, want := range first {
					reply, err := r.Launcher.Send(ctx, d, say(fmt.Sprint(i), text))
					require.NoError(t, err)
					require.Equal(t, want, reply)
				}
			}
		}
		again()
		require.Equal(t, 4, agent.times("old", text))
		id := workflows.ConversationID(d.Input.Ref)
		require.NoError(t, r.Update(t, id, workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}))
		_, err := r.Outcome(t, id)
		require.NoError(t, err)
		again()
		_, err = r.Launcher.Send(ctx, d, say("new", text))
		require.ErrorIs(t, err, launch.ErrOver)
	})

	t.Run("the agent ends it", func(t *testing.T) {
		d := directly(r, "bye", conversation.Policy{})
		reply, err := r.Launcher.Send(ctx, d, say("m1", "bye"))
		require.NoError(t, err)
		require.True(t, reply.Ended)
		out, err := r.Outcome(t, workflows.ConversationID(d.Input.Ref))
		require.NoError(t, err)
		require.Equal(t, "ended by agent", out.String())
		require.Equal(t, 2, out.Messages)

		again, err := r.Launcher.Send(ctx, d, say("m1", "bye"))
		require.NoError(t, err)
		require.Equal(t, reply.Message.Text(), again.Message.Text())
		_, err = r.Launcher.Send(ctx, d, say("m2", "still there?"))
		require.ErrorIs(t, err, launch.ErrOver)
	})

	t.Run("somebody ends it", func(t *testing.T) {
		d := directly(r, "stopped", conversation.Policy{})
		_, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
		require.NoError(t, err)
		require.NoError(t, r.Update(t, workflows.ConversationID(d.Input.Ref), workflows.UpdateEnd, workflows.EndRequest{Reason: "enough"}))
		out, err := r.Outcome(t, workflows.ConversationID(d.Input.Ref))
		require.NoError(t, err)
		require.Equal(t, "ended by operator", out.String())
	})

	t.Run("nobody goes on", func(t *testing.T) {
		d := directly(r, "idle", conversation.Policy{})
		d.Input.IdleTimeout = time.Second
		_, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
		require.NoError(t, err)
		out, err := r.Outcome(t, workflows.ConversationID(d.Input.Ref))
		require.NoError(t, err)
		require.Equal(t, conversation.OutcomeExpired, out.Kind)
		require.Equal(t, "no message came for 1s", out.Detail)
	})

	t.Run("turns are limited", func(t *testing.T) {
		d := directly(r, "limited", conversation.Policy{MaxTurns: 1})
		reply, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
		require.NoError(t, err)
		require.True(t, reply.Ended)
	})

	t.Run("only what exists is gone on with", func(t *testing.T) {
		d := directly(r, "never begun", conversation.Policy{})
		d.Open = false
		_, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
		require.ErrorIs(t, err, launch.ErrUnknown)
	})

	t.Run("what cannot be said", func(t *testing.T) {
		d := directly(r, "faults", conversation.Policy{})
		for text, req := range map[string]workflows.SendRequest{
			"the message needs an id of at most 200 bytes": {Text: "hello"},
			"the message is empty":                         {ID: "m1", Text: " \n"},
			"id \"caf\\xe9\" is not UTF-8":                 {ID: "caf\xe9", Text: "hello"},
			"the message is not UTF-8":                     {ID: "m1", Text: "caf\xe9"},
			"data is not JSON":                             {ID: "m1", Data: []byte("{")},
		} {
			_, err := r.Launcher.Send(ctx, d, req)
			require.ErrorContains(t, err, text)
		}
		for _, id := range []string{"café", "two\nlines", "caf\xe9", "\x00"} {
			_, err := r.Launcher.Send(ctx, directly(r, id, conversation.Policy{}), say("m1", "hello"))
			require.ErrorContains(t, err, "not printable ASCII")
		}
	})
}

// Temporal's client waits a minute for a message to be taken in. Callers may wait for
// longer, and the agent hears it once.
func TestDirectConversationIsAskedAgain(t *testing.T) {
	t.Parallel()
	agent := &parrot{}
	r := rig.New(t, localstacktest.Client(t), rig.Options{Executor: agent})
	r.StartWorker(t)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	var late atomic.Int64
	impatient, err := client.Dial(client.Options{
		HostPort: localstacktest.Address(t), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				err := call(ctx, method, in, out, conn, opts...)
				if strings.HasSuffix(method, "MultiOperation") && late.Add(1) <= 2 {
					return status.Error(codes.DeadlineExceeded, "nobody has taken it in")
				}
				return err
			},
		)}},
	})
	require.NoError(t, err)
	defer impatient.Close()
	reply, err := launch.Launcher{Client: impatient, TaskQueue: r.TaskQueue}.Send(ctx, directly(r, "late", conversation.Policy{}), say("m1", "hello"))
	require.NoError(t, err)
	require.Equal(t, "1: hello", reply.Message.Text())
	require.Equal(t, 1, agent.times("late", "hello"))
	require.EqualValues(t, 3, late.Load())
}

func TestDirectConversationThatFails(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Executor: gate})
	r.StartWorker(t)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	d := directly(r, "fails", conversation.Policy{})
	sent := make(chan error, 1)
	go func() {
		_, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
		sent <- err
	}()
	ask := gate.Asked(t)
	ask.Fail(t, &conversation.Error{Kind: conversation.Invalid, Op: "model", Remedy: "mend it"})
	id := workflows.ConversationID(d.Input.Ref)
	rig.Eventually(t, func() bool { return r.Status(t, id).State == workflows.StateNeedsAttention })
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "a person speaks"}))
	require.NoError(t, <-sent)
	again, err := r.Launcher.Send(ctx, d, say("m1", "hello"))
	require.NoError(t, err)
	require.Equal(t, "a person speaks", again.Message.Text())

	// Somebody may have answered before anything is said.
	require.NoError(t, r.Update(t, id, workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "and speaks again"}))
	again, err = r.Launcher.Send(ctx, d, say("m2", "who is it?"))
	require.NoError(t, err)
	require.Equal(t, "and speaks again", again.Message.Text())

	require.NoError(t, r.Client.CancelWorkflow(ctx, id, ""))
	_, err = r.Outcome(t, id)
	require.Error(t, err)
	_, err = r.Launcher.Send(ctx, d, say("m3", "anybody?"))
	require.ErrorIs(t, err, launch.ErrOver)
	o := &operate.Operator{Reader: &records.Reader{Client: r.Client, Namespace: "default", TaskQueue: r.TaskQueue}}
	record, err := o.Show(ctx, id)
	require.NoError(t, err)
	var said []string
	for _, m := range record.Messages {
		said = append(said, fmt.Sprintf("%d %s: %s", m.Index, m.Role, m.Text))
	}
	require.Equal(t, []string{"0 user: hello", "1 assistant: a person speaks", "2 user: who is it?", "3 assistant: and speaks again"}, said)
	require.Equal(t, 2, record.Turns)
}
