package activities

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/platforms"
)

// Executors finds the executor of a name. "auto" is resolved to the name of the
// first that is available.
type Executors interface {
	Resolve(ctx context.Context, name string) (string, executors.Executor, error)
}

// Transcripts reads the messages of a running conversation from its workflow.
type Transcripts interface {
	// Messages returns the messages from index first on, below upTo. First is
	// greater than 0 where the workflow no longer has the older ones.
	Messages(ctx context.Context, workflowID, runID string, upTo int) (first int, messages []conversation.Message, err error)
}

// Config is what the activities of a conversation need.
type Config struct {
	// Platforms are the instances by name: each is of one shape, see platforms.ShapeOf.
	Platforms map[string]platforms.Instance
	Executors Executors
	// Tools are the sets of tools. Nil: none.
	Tools Tools
	// Transcripts reads a transcript that the worker does not hold. Nil: it is
	// read from the platform.
	Transcripts Transcripts
	// Pressure counts the calls on platforms. Nil: limits are not reduced.
	Pressure *Pressure
	// Heartbeats are how attempts record what the next one must know, and prove that
	// they are the current one before each effect. Nil: the SDK's throttled heartbeat is
	// used and every attempt counts as current, which is enough in tests.
	Heartbeats HeartbeatClient
	// Reports reports failed attempts to their workflows. Nil: they are not reported.
	Reports Reports
	// BeforeEffect is called between the decision to have an effect and the last check
	// that the attempt may, with the effect's name: "claim", "exchange", "reply", "tool",
	// "end", "callback", "report" or "notify". It is a hook for tests of frozen and
	// killed processes. Nil: nothing is called.
	BeforeEffect func(effect string)
	// Callbacks deliver the results of tasks. Nil: callbacks fail.
	Callbacks Callbacks
	// Drain is the worker's stop timeout: how long an activity may go on after the
	// worker has begun to stop. Zero: not at all.
	Drain time.Duration
	// CacheBytes bounds the transcripts held in memory. Zero: 64 MiB.
	CacheBytes int
	// Metrics counts. Nil: nothing is counted.
	Metrics *Metrics
}

// Conversation does the work of one conversation at a time for any number of
// them. Its methods are activities.
type Conversation struct {
	platforms   map[string]platform
	executors   Executors
	tools       Tools
	transcripts Transcripts
	heartbeats  HeartbeatClient
	callbacks   Callbacks
	drain       time.Duration
	cache       *transcriptCache
	metrics     *Metrics

	reports      Reports
	beforeEffect func(effect string)
	lag          *lagMeter
	calls        *calls
	aside        sync.WaitGroup // watches that have left their activities
	unmetered    sync.Map       // executors of which a warning says that they report no tokens
}

// NewConversation returns the activities of conversations.
func NewConversation(cfg Config) (*Conversation, error) {
	var errs []error
	known, err := platformsOf(cfg.Platforms, cfg.Pressure)
	if err != nil {
		errs = append(errs, err)
	}
	if cfg.Executors == nil {
		errs = append(errs, errors.New("activities: no executors"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 64 << 20
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics()
	}
	c := &Conversation{
		platforms:   known,
		executors:   cfg.Executors,
		tools:       cfg.Tools,
		transcripts: cfg.Transcripts,
		heartbeats:  cfg.Heartbeats,
		callbacks:   cfg.Callbacks,
		drain:       cfg.Drain,
		cache:       newTranscriptCache(cfg.CacheBytes),
		metrics:     cfg.Metrics,

		reports: cfg.Reports, beforeEffect: cfg.BeforeEffect, lag: &lagMeter{},
	}
	c.calls = newCalls(c.wanted)
	return c, nil
}

// Wait returns when nothing goes on beside the worker's activities any more: watches,
// and calls that their attempts have left. All of it ends soon after the worker
// has begun to stop. Call it between the worker's Stop and the client's Close.
func (c *Conversation) Wait() {
	c.aside.Wait()
	c.calls.wait.Wait()
}

// Register makes the activities known to a worker under their recorded names.
func (c *Conversation) Register(r worker.ActivityRegistry) {
	for name, f := range map[string]any{
		ClaimName: c.Claim, ContextName: c.Context, ReplyName: c.Reply, ExchangeName: c.Exchange, EndName: c.End,
		CallToolName: c.CallTool, WatchName: c.Watch, FindClaimName: c.FindClaim, DeliverName: c.Deliver, ReportName: c.Report, NotifyName: c.Notify,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// Context reads what the platform knows about a conversation.
func (c *Conversation) Context(ctx context.Context, in ContextInput) (ContextResult, error) {
	a := c.begin(ctx, "context", in.Ref, nil)
	defer a.end()
	out, err := c.knows(a.work, in)
	switch {
	case err != nil && a.handsOver():
		return ContextResult{HandedOver: true, Failed: failedAttempts(ctx)}, nil
	case err != nil:
		return ContextResult{}, a.fail(err, ErrorDetails{})
	}
	return out, nil
}

// knows is what the platform knows, fit to be recorded.
func (c *Conversation) knows(ctx context.Context, in ContextInput) (ContextResult, error) {
	out, err := c.context(ctx, in)
	if err != nil {
		return ContextResult{}, err
	}
	if out.Context.Task == nil { // a task has a bound of its own
		in.bound(&out)
	}
	out.Place()
	return out, nil
}

func (c *Conversation) context(ctx context.Context, in ContextInput) (ContextResult, error) {
	p, err := c.platform(in.Ref)
	if err != nil {
		return ContextResult{}, err
	}
	about, transcript, err := p.context(ctx, in.Ref)
	if err != nil {
		return ContextResult{}, err
	}
	if about.Task != nil {
		if err := about.Task.CheckSize(); err != nil {
			out, err := tooLarge(about, transcript, err)
			out.RunID = activity.GetInfo(ctx).WorkflowExecution.RunID
			return out, err
		}
	}
	return ContextResult{
		RunID:     activity.GetInfo(ctx).WorkflowExecution.RunID,
		Settle:    p.Settle,
		Context:   about,
		Messages:  conversation.Newest(transcript.Messages, max(in.CarryBytes, 1)),
		Count:     len(transcript.Messages),
		Turns:     turns(transcript.Messages),
		State:     transcript.State,
		EndedBy:   transcript.EndedBy,
		EndDetail: transcript.EndDetail,
	}, nil
}

// turns counts the agent's messages.
func turns(messages []conversation.Message) int {
	n := 0
	for _, m := range messages {
		if m.Role == conversation.RoleAssistant {
			n++
		}
	}
	return n
}

// tooLarge is the result for a task that cannot be recorded: without its payload, but with
// its callback, which receives that there is no result.
func tooLarge(about conversation.Context, transcript platforms.Transcript, fault error) (ContextResult, error) {
	task := *about.Task
	task.Payload, task.Metadata, about.Metadata = nil, nil, nil
	about.Task = &task
	if data, err := json.Marshal(about); err != nil || len(data) > conversation.MaxTask {
		return ContextResult{}, errors.Join(fault, err)
	}
	return ContextResult{
		Context: about, State: transcript.State, EndedBy: transcript.EndedBy, EndDetail: transcript.EndDetail,
		Fault: clip(fault.Error()),
	}, nil
}

// End closes the conversation on the platform and reads how it has ended.
func (c *Conversation) End(ctx context.Context, in EndInput) (EndResult, error) {
	a := c.begin(ctx, "end", in.Ref, nil)
	defer a.end()
	out, err := a.close(in)
	switch {
	case err != nil && a.handsOver():
		return EndResult{HandedOver: true, Failed: failedAttempts(ctx)}, nil
	case err != nil:
		return EndResult{}, a.fail(err, ErrorDetails{})
	}
	c.cache.forget(a.info.WorkflowExecution.ID)
	return out, nil
}

func (a *attempt) close(in EndInput) (EndResult, error) {
	ctx := a.work
	if err := checkRun(ctx, in.Run); err != nil {
		return EndResult{}, err
	}
	p, err := a.platform(in.Ref)
	if err != nil {
		return EndResult{}, err
	}
	if err := p.end(ctx, a, in.Ref); err != nil {
		return EndResult{}, err
	}
	transcript, err := p.transcript(ctx, in.Ref)
	if err != nil {
		return EndResult{}, err
	}
	return EndResult{
		EndedBy: transcript.EndedBy, EndDetail: clip(transcript.EndDetail),
		Count: len(transcript.Messages), Turns: turns(transcript.Messages),
	}, nil
}
