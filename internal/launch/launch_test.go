package launch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/versions"
	"github.com/parley-run/parley/internal/versions/versionstest"
	"github.com/parley-run/parley/workflows"
)

// fakeTemporal starts workflows by the id policies as Temporal does, in memory. Tests set
// what else it answers. A method that no test needs panics.
type fakeTemporal struct {
	client.Client
	mu      sync.Mutex
	running map[string]bool // by workflow id; false: it has completed
	failed  map[string]bool // of those that have completed
	starts  []client.StartWorkflowOptions
	args    []any // of starts
	signals []any

	startErr, signalErr error
	describe            func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	query               func(id, query string, args []any) (any, error)
	update              func(client.UpdateWorkflowOptions) (any, error)
	lists               []*workflowservice.ListWorkflowExecutionsResponse
	queries             []string
}

type fakeRun struct{ client.WorkflowRun }

func (fakeRun) GetRunID() string { return "run-1" }

func (f *fakeTemporal) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts, f.args = append(f.starts, o), append(f.args, args[0])
	if f.startErr != nil {
		return nil, f.startErr
	}
	running, known := f.running[o.ID]
	refused := running && o.WorkflowIDConflictPolicy != enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	if known && !running {
		switch o.WorkflowIDReusePolicy {
		case enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
			refused = true
		case enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY:
			refused = !f.failed[o.ID]
		}
	}
	if refused && o.WorkflowExecutionErrorWhenAlreadyStarted {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "request", "run-0")
	}
	if f.running == nil {
		f.running = make(map[string]bool)
	}
	f.running[o.ID] = true
	return fakeRun{}, nil
}

func (f *fakeTemporal) SignalWithStartWorkflow(
	_ context.Context, _, signal string, arg any, o client.StartWorkflowOptions, _ any, args ...any,
) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts, f.args, f.signals = append(f.starts, o), append(f.args, args[0]), append(f.signals, arg)
	f.queries = append(f.queries, signal)
	return fakeRun{}, f.signalErr
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return f.describe(id)
}

// A fakeValue is an encoded value.
type fakeValue struct {
	converter.EncodedValue
	of any
}

func (v fakeValue) Get(to any) error {
	payload, err := converter.GetDefaultDataConverter().ToPayload(v.of)
	if err != nil {
		return err
	}
	return converter.GetDefaultDataConverter().FromPayload(payload, to)
}

func (f *fakeTemporal) QueryWorkflow(_ context.Context, id, _, query string, args ...any) (converter.EncodedValue, error) {
	f.mu.Lock()
	f.queries = append(f.queries, query)
	f.mu.Unlock()
	out, err := f.query(id, query, args)
	return fakeValue{of: out}, err
}

type fakeHandle struct {
	client.WorkflowUpdateHandle
	out any
	err error
}

func (h fakeHandle) Get(_ context.Context, to any) error {
	if h.err != nil || to == nil {
		return h.err
	}
	return fakeValue{of: h.out}.Get(to)
}

func (f *fakeTemporal) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, _ any, args ...any) client.WithStartWorkflowOperation {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts, f.args = append(f.starts, o), append(f.args, args[0])
	return nil
}

func (f *fakeTemporal) UpdateWithStartWorkflow(_ context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return f.UpdateWorkflow(context.Background(), o.UpdateOptions)
}

func (f *fakeTemporal) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	out, err := f.update(o)
	if _, is := errors.AsType[*temporal.ApplicationError](err); is {
		return fakeHandle{err: err}, nil
	}
	return fakeHandle{out: out}, err
}

func (f *fakeTemporal) ListWorkflow(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	f.queries = append(f.queries, in.GetQuery()+string(in.GetNextPageToken()))
	page := f.lists[0]
	f.lists = f.lists[1:]
	return page, nil
}

var ref = conversation.Ref{Platform: "onerun", Project: "p", Simulation: "s", Agent: "a", ID: "c"}

func input() workflows.ConversationInput {
	return workflows.ConversationInput{Ref: ref, Side: workflows.SidePlatform, Policy: conversation.Policy{Executor: "model"}}
}

// One conversation of a platform is one workflow, however often and by how many it is started.
func TestConversationStartsOnce(t *testing.T) {
	t.Parallel()
	id := workflows.ConversationID(ref)
	for name, tt := range map[string]struct {
		known, running, failed bool
		again, once            bool
		started                bool
	}{
		"new":                          {started: true},
		"it runs":                      {known: true, running: true},
		"it runs, even to adopt":       {known: true, running: true, again: true},
		"it has completed":             {known: true},
		"it has completed, to adopt":   {known: true, again: true, started: true},
		"it has failed":                {known: true, failed: true, started: true},
		"it has failed, and runs once": {known: true, failed: true, once: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTemporal{running: map[string]bool{}, failed: map[string]bool{id: tt.failed}}
			if tt.known {
				f.running[id] = tt.running
			}
			started, err := launch.Launcher{Client: f}.Conversation(t.Context(), launch.Conversation{Input: input(), Again: tt.again, Once: tt.once, Persona: "Ann"})
			require.NoError(t, err)
			require.Equal(t, tt.started, started)
			o := f.starts[0]
			require.Equal(t, id, o.ID)
			require.Equal(t, workflows.DefaultTaskQueue, o.TaskQueue)
			require.Equal(t, "Ann", o.StaticSummary)
			require.Contains(t, o.StaticDetails, "- executor: model")
			require.Nil(t, o.RetryPolicy, "a second run would pay for the same replies again")
			require.Zero(t, o.WorkflowExecutionTimeout, "waiting for an operator is not a failure")
			platform, _ := o.TypedSearchAttributes.GetKeyword(workflows.KeyPlatform)
			require.Equal(t, "onerun", platform)
		})
	}
}

// Search attributes are never encrypted: the persona is one of them only if payloads are
// readable too.
func TestPersonaIsShown(t *testing.T) {
	t.Parallel()
	in := input()
	direct := launch.Direct{Input: workflows.ConversationInput{
		Ref: launch.DirectRef("a", "d"), Start: &workflows.Start{Context: conversation.Context{Persona: conversation.Persona{Summary: "Ann: angry"}}},
	}}
	for _, shows := range []bool{false, true} {
		f := &fakeTemporal{}
		l := launch.Launcher{Client: f, ShowPersona: shows}
		_, err := l.Conversation(t.Context(), launch.Conversation{Input: in, Persona: "Ann: angry"})
		require.NoError(t, err)
		_, err = l.Start(t.Context(), direct)
		require.NoError(t, err)
		require.Len(t, f.starts, 2)
		for i, o := range f.starts {
			shown, ok := o.TypedSearchAttributes.GetString(workflows.KeyPersona)
			require.Equal(t, shows, ok)
			require.Equal(t, shows, shown == "Ann\u2236 angry")
			require.Equal(t, shows, f.args[i].(workflows.ConversationInput).ShowPersona)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	plain := converter.GetDefaultDataConverter()
	require.True(t, launch.Plain(nil))
	require.True(t, launch.Plain(plain))
	require.False(t, launch.Plain(converter.NewCodecDataConverter(plain, converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true}))))
}

// Of many starters that meet, one starts the workflow.
func TestStartersMeet(t *testing.T) {
	t.Parallel()
	f := &fakeTemporal{}
	var all sync.WaitGroup
	started := make(chan bool, 10)
	for range cap(started) {
		all.Go(func() {
			did, err := launch.Launcher{Client: f, TaskQueue: "q"}.Conversation(context.Background(), launch.Conversation{Input: input()})
			started <- did && err == nil
		})
	}
	all.Wait()
	close(started)
	n := 0
	for did := range started {
		if did {
			n++
		}
	}
	require.Equal(t, 1, n)
	require.Len(t, f.starts, 10)
	require.Equal(t, "q", f.starts[0].TaskQueue)
}

// What can never be started is told apart from a server that does not answer.
func TestConversationFails(t *testing.T) {
	t.Parallel()
	nameless := input()
	nameless.Ref.ID = ""
	for name, tt := range map[string]struct {
		in      workflows.ConversationInput
		err     error
		invalid bool
		text    string
	}{
		"no id":               {in: nameless, invalid: true, text: "id is empty"},
		"refused by Temporal": {in: input(), err: serviceerror.NewInvalidArgument("search attribute ParleyAgent is not defined"), invalid: true, text: "run `starter setup`"},
		"server away":         {in: input(), err: serviceerror.NewUnavailable("down"), text: `start conversation "onerun/`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTemporal{startErr: tt.err}
			started, err := launch.Launcher{Client: f}.Conversation(t.Context(), launch.Conversation{Input: tt.in})
			require.False(t, started)
			require.Equal(t, tt.invalid, conversation.IsKind(err, conversation.Invalid))
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.err == nil, len(f.starts) == 0)
		})
	}
}

// An inbox that runs gets the new settings; one that does not starts with them.
func TestInbox(t *testing.T) {
	t.Parallel()
	f := &fakeTemporal{}
	in := workflows.InboxInput{Platform: "onerun", Project: "p", Agent: "a", Settings: activities.InboxSettings{AgentName: "Concierge"}}
	require.NoError(t, launch.Launcher{Client: f}.Inbox(t.Context(), in))
	in.Settings.Edition = workflows.Edition
	require.Equal(t, []any{in.Settings}, f.signals)
	require.Equal(t, []string{workflows.SignalConfigure}, f.queries)
	require.Equal(t, []any{in}, f.args)
	require.Equal(t, workflows.InboxID("onerun", "p", "a"), f.starts[0].ID)
	require.Equal(t, "inbox of Concierge on onerun", f.starts[0].StaticSummary)
	f.signalErr = serviceerror.NewUnavailable("down")
	require.ErrorContains(t, launch.Launcher{Client: f}.Inbox(t.Context(), in), "start inbox")
}

// The owner of a capacity is one workflow per platform, started by the first reservation.
func TestReserve(t *testing.T) {
	t.Parallel()
	want := activities.ReserveResult{}
	var got client.UpdateWorkflowOptions
	f := &fakeTemporal{update: func(o client.UpdateWorkflowOptions) (any, error) { got = o; return want, nil }}
	r := launch.Runs{Launcher: launch.Launcher{Client: f}}
	req := activities.ReserveRequest{Limit: 3}
	out, err := r.Reserve(t.Context(), "onerun", req)
	require.NoError(t, err)
	require.Equal(t, want, out)
	require.Equal(t, workflows.CapacityID("onerun"), got.WorkflowID)
	require.Equal(t, workflows.UpdateReserve, got.UpdateName)
	require.Equal(t, []any{req}, got.Args)
	require.Equal(t, enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, f.starts[0].WorkflowIDConflictPolicy)

	require.NoError(t, r.RemoveLimit(t.Context(), "onerun"))
	require.Equal(t, []any{activities.ReserveRequest{Limit: -1}}, got.Args)
	require.Len(t, f.starts, 1, "no owner is started to remove a limit")
	f.update = func(client.UpdateWorkflowOptions) (any, error) { return nil, serviceerror.NewNotFound("no owner") }
	require.NoError(t, r.RemoveLimit(t.Context(), "onerun"), "there is none to remove")
	f.update = func(client.UpdateWorkflowOptions) (any, error) { return nil, serviceerror.NewUnavailable("down") }
	require.Error(t, r.RemoveLimit(t.Context(), "onerun"))
	_, err = r.Reserve(t.Context(), "onerun", req)
	require.Error(t, err)
}

// described is a description of a workflow.
func described(status enums.WorkflowExecutionStatus, state workflows.State) *workflowservice.DescribeWorkflowExecutionResponse {
	payload, _ := converter.GetDefaultDataConverter().ToPayload(string(state))
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		Status: status, TaskQueue: "q", CloseTime: timestamppb.New(time.Unix(1000, 0)),
		SearchAttributes: &common.SearchAttributes{IndexedFields: map[string]*common.Payload{workflows.KeyStatus.GetName(): payload}},
	}}
}

const running, completed = enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED

// What the capacity of a platform knows of a conversation's workflow: whether it runs,
// waits for an operator, or has a task that no worker can take.
func TestDescribe(t *testing.T) {
	t.Parallel()
	pending := func(state enums.PendingActivityState) *workflowservice.DescribeWorkflowExecutionResponse {
		d := described(running, workflows.StateNeedsAttention)
		d.PendingActivities = []*workflow.PendingActivityInfo{{ActivityId: "7", Attempt: 2, State: state}}
		return d
	}
	const scheduled, begun = enums.PENDING_ACTIVITY_STATE_SCHEDULED, enums.PENDING_ACTIVITY_STATE_STARTED
	untaken := described(running, workflows.StateNeedsAttention)
	untaken.PendingWorkflowTask = &workflow.PendingWorkflowTaskInfo{
		State: enums.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, OriginalScheduledTime: timestamppb.New(time.Unix(1000, 0)),
	}
	for name, tt := range map[string]struct {
		d    *workflowservice.DescribeWorkflowExecutionResponse
		err  error
		gone bool // there is no worker
		want activities.RunInfo
	}{
		"there is none":                  {err: serviceerror.NewNotFound("gone")},
		"completed":                      {d: described(completed, ""), want: activities.RunInfo{Exists: true, Closed: time.Unix(1000, 0).UTC()}},
		"it needs attention":             {d: described(running, workflows.StateNeedsAttention), want: activities.RunInfo{Exists: true, Running: true, Parked: true}},
		"paused":                         {d: described(running, workflows.StatePaused), want: activities.RunInfo{Exists: true, Running: true, Parked: true}},
		"an activity waits for its turn": {d: pending(scheduled), want: activities.RunInfo{Exists: true, Running: true, Parked: true}},
		"an activity without a worker": {
			d: pending(scheduled), gone: true,
			want: activities.RunInfo{Exists: true, Running: true, Parked: true, Untaken: `no worker runs on task queue "q"`},
		},
		"an activity that its stopping worker finishes": {d: pending(begun), gone: true, want: activities.RunInfo{Exists: true, Running: true, Parked: true}},
		"a workflow task that no worker takes": {
			d: untaken, want: activities.RunInfo{Exists: true, Running: true, Parked: true, Untaken: "workflow task of 1970-01-01T00:16:40Z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var service versionstest.Service
			if !tt.gone {
				service.Set(versions.Version{}, versions.Version{})
			}
			f := &fakeTemporal{describe: func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) { return tt.d, tt.err }}
			workers := &versions.Cache{Reader: versions.Reader{Client: &service}}
			got, err := launch.Runs{Launcher: launch.Launcher{Client: f}, Workers: workers}.Describe(t.Context(), "id")
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// A direct conversation is begun once: one that is open is not begun again, and one that
// is over takes no message.
func TestDirectStart(t *testing.T) {
	t.Parallel()
	of := launch.DirectRef("a", "c")
	d := launch.Direct{Input: workflows.ConversationInput{Ref: of}}
	id := workflows.ConversationID(of)
	f := &fakeTemporal{describe: func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		return described(running, ""), nil
	}}
	l := launch.Launcher{Client: f}
	started, err := l.Start(t.Context(), d)
	require.NoError(t, err)
	require.True(t, started)
	require.Equal(t, "with a", f.starts[0].StaticSummary)
	require.Equal(t, workflows.SideDirect, f.args[0].(workflows.ConversationInput).Side)
	started, err = l.Start(t.Context(), d)
	require.NoError(t, err)
	require.False(t, started, "it is open")
	f.running[id] = false
	f.describe = func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		return described(completed, ""), nil
	}
	_, err = l.Start(t.Context(), d)
	require.ErrorIs(t, err, launch.ErrOver)
}

// A message to a busy conversation is sent again until it is accepted; what is final ends
// that at once.
func TestDirectSend(t *testing.T) {
	t.Parallel()
	fault := func(kind string) error { return temporal.NewApplicationError("no", kind) }
	for name, tt := range map[string]struct {
		answers []error
		is      error
		sends   int
	}{
		"accepted":                 {answers: []error{nil}, sends: 1},
		"busy, then accepted":      {answers: []error{fault(workflows.ErrTypeBusy), fault(workflows.ErrTypeBusy), nil}, sends: 3},
		"the conversation is over": {answers: []error{fault(workflows.ErrTypeOver)}, is: launch.ErrOver, sends: 1},
		"there is none":            {answers: []error{serviceerror.NewNotFound("none")}, is: launch.ErrUnknown, sends: 1},
		"server away":              {answers: []error{errAway}, is: errAway, sends: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sends, accepted := 0, 0
				f := &fakeTemporal{
					update: func(o client.UpdateWorkflowOptions) (any, error) {
						require.Equal(t, "m1", o.UpdateID, "the server knows a message that is sent again")
						sends++
						return workflows.SendReply{}, tt.answers[sends-1]
					},
					describe: func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
						return nil, serviceerror.NewNotFound("none")
					},
				}
				d := launch.Direct{Input: workflows.ConversationInput{Ref: launch.DirectRef("a", "c")}, Accepted: func() { accepted++ }}
				_, err := launch.Launcher{Client: f}.Send(t.Context(), d, workflows.SendRequest{ID: "m1", Text: "hello"})
				require.ErrorIs(t, err, tt.is)
				require.Equal(t, tt.sends, sends)
				if tt.is == nil {
					require.Positive(t, accepted)
				}
			})
		})
	}
}

var errAway = errors.New("server away")

// The transcript is read page by page, and a workflow that has less than it is asked for
// says so.
func TestMessages(t *testing.T) {
	t.Parallel()
	all := []conversation.Message{}
	for n := range 7 {
		all = append(all, conversation.Text(conversation.RoleUser, fmt.Sprint(n)))
	}
	for name, tt := range map[string]struct {
		first, upTo int
		have        int
		want        int // first of the result
		fails       bool
	}{
		"all":                   {upTo: 7, have: 7},
		"some":                  {upTo: 5, have: 7},
		"without the oldest":    {first: 3, upTo: 7, have: 7, want: 3},
		"only newer ones":       {first: 6, upTo: 4, have: 7, want: 4},
		"it does not have them": {upTo: 7, have: 4, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTemporal{query: func(_, _ string, args []any) (any, error) {
				from := max(args[0].(workflows.TranscriptQuery).From, tt.first)
				return workflows.Transcript{First: from, Messages: all[min(from, tt.have):min(from+3, tt.have)]}, nil
			}}
			first, got, err := launch.Runs{Launcher: launch.Launcher{Client: f}}.Messages(t.Context(), "id", "run", tt.upTo)
			if tt.fails {
				require.ErrorContains(t, err, "it has only 4 of 7 messages")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, first)
			require.Len(t, got, tt.upTo-tt.want)
			for i, m := range got {
				require.Equal(t, fmt.Sprint(first+i), m.Text())
			}
		})
	}
}

// All pages of open conversations are read, and a platform's name is quoted.
func TestListOpen(t *testing.T) {
	t.Parallel()
	simulation, err := converter.GetDefaultDataConverter().ToPayload("s1")
	require.NoError(t, err)
	one := func(id string) *workflow.WorkflowExecutionInfo {
		return &workflow.WorkflowExecutionInfo{
			Execution:        &common.WorkflowExecution{WorkflowId: id},
			SearchAttributes: &common.SearchAttributes{IndexedFields: map[string]*common.Payload{workflows.KeySimulation.GetName(): simulation}},
		}
	}
	f := &fakeTemporal{lists: []*workflowservice.ListWorkflowExecutionsResponse{
		{Executions: []*workflow.WorkflowExecutionInfo{one("a"), one("b")}, NextPageToken: []byte(" page 2")},
		{Executions: []*workflow.WorkflowExecutionInfo{one("c")}},
	}}
	open, err := launch.Runs{Launcher: launch.Launcher{Client: f}}.ListOpen(t.Context(), `o'run\`)
	require.NoError(t, err)
	require.Equal(t, []activities.OpenRun{{WorkflowID: "a", Simulation: "s1"}, {WorkflowID: "b", Simulation: "s1"}, {WorkflowID: "c", Simulation: "s1"}}, open)
	require.Contains(t, f.queries[0], `'o\'run\\'`)
	require.Contains(t, f.queries[1], " page 2")
}

// Entries that come together cost one signal, and their fault is everyone's; a total is
// asked for anew each time, by those who ask at the same time together.
func TestLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		account := budget.Account{Name: "team", Day: "2026-11-28"}
		f := &fakeTemporal{query: func(string, string, []any) (any, error) { return nil, serviceerror.NewNotFound("none") }}
		l := launch.NewLedger(launch.Launcher{Client: f})
		var all sync.WaitGroup
		record := func(ctx context.Context, want error) {
			all.Go(func() {
				if err := l.Record(ctx, account, budget.Entry{}); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			})
		}
		for range 20 {
			record(t.Context(), nil)
		}
		all.Wait()
		require.Len(t, f.signals, 1)
		require.Len(t, f.signals[0], 20)
		require.Equal(t, workflows.LedgerID(account), f.starts[0].ID)

		over, cancel := context.WithCancel(t.Context())
		cancel()
		_ = l.Record(over, account, budget.Entry{})
		require.Len(t, f.signals, 2, "what is spent is recorded although the caller is gone")
		f.signalErr = errAway
		record(t.Context(), errAway)
		all.Wait()

		for range 3 {
			_, err := l.Total(t.Context(), account)
			require.NoError(t, err, "nothing is spent yet")
		}
		asked := func() (n int) {
			for _, q := range f.queries {
				if q == workflows.QueryTotal {
					n++
				}
			}
			return n
		}
		require.Equal(t, 3, asked(), "what another worker has recorded counts at once")
		slow := make(chan struct{})
		f.query = func(string, string, []any) (any, error) { <-slow; return nil, serviceerror.NewNotFound("none") }
		for range 20 {
			all.Go(func() {
				if _, err := l.Total(t.Context(), account); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(slow)
		all.Wait()
		require.Equal(t, 5, asked(), "the first, and one for those who came meanwhile")
		f.query = func(string, string, []any) (any, error) { return nil, errAway }
		_, err := l.Total(t.Context(), account)
		require.ErrorIs(t, err, errAway)
		require.Equal(t, 6, asked())
	})
}
