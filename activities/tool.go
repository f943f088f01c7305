package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/tools"
)

// Tools are the sets that a worker has.
type Tools interface {
	// Offer lists the tools of the sets, fit for a model.
	Offer(ctx context.Context, sets []string) ([]tools.Offered, error)
	// Call makes one call.
	Call(ctx context.Context, set string, call tools.Call) (tools.Result, error)
}

// CallTool makes one tool call. Before the call goes out, Temporal has a mark that
// records it. An attempt that finds a mark makes no call, unless the call may be repeated
// or the one before is still to be joined: its outcome stays unknown, and that is final.
// A call that was provably not made is an error, and retried with the same key; what a
// tool returns, faults included, is a result.
func (c *Conversation) CallTool(ctx context.Context, in CallToolInput) (CallToolResult, error) {
	t := &calling{in: in, mark: sent(earlier(ctx, in.Tried))}
	t.attempt = c.begin(ctx, "tool", in.Ref, markOrNil(t.mark))
	t.traceCall()
	defer t.end()

	out, err := t.call(t.work)
	switch {
	case err != nil && t.handsOver() && !conversation.IsKind(err, conversation.Ambiguous):
		return CallToolResult{HandedOver: true, Tried: t.mark, Failed: failedAttempts(ctx), Lag: c.lag.worst()}, nil
	case err != nil:
		return CallToolResult{}, t.fail(err, ErrorDetails{Mark: t.mark})
	}
	out.Place(in)
	out.Lag = c.lag.worst()
	t.traceResult(out)
	return out, nil
}

// calling is one attempt at a tool call.
type calling struct {
	*attempt
	in CallToolInput
	// mark is what is known of the requests so far. Nil: none has gone out.
	mark *Mark
}

func (t *calling) call(ctx context.Context) (CallToolResult, error) {
	in := t.in
	if err := checkRun(ctx, in.Run); err != nil {
		return CallToolResult{}, err
	}
	if in.MaxBytes <= 0 {
		in.MaxBytes = conversation.DefaultToolResultBytes
	}
	execution := t.info.WorkflowExecution
	call := tools.Call{
		Conversation: in.Ref,
		Name:         in.Call.Name,
		Arguments:    in.Call.Arguments,
		Key:          toolKey(execution.ID, in),
		Attempt:      int(t.info.Attempt),
	}
	// The call goes on if Temporal gives the attempt up: the next one on this worker
	// joins it.
	key := fmt.Sprintf("%s %s %s/%s %s", call.Key, execution.RunID, in.Call.Set, in.Call.Name, in.Call.Arguments)
	work, cancel := context.WithDeadline(ctx, t.info.Deadline.Add(-reserve(t.info)))
	defer cancel()
	var unmade error
	announce := func() error {
		unmade = t.announce(ctx)
		return unmade
	}
	got, joined, err := t.calls.do(work, t.attempt, key, nil, announce, func(ctx context.Context, _ func(json.RawMessage)) (any, int, error) {
		begin := time.Now()
		result, err := t.tools.Call(ctx, in.Call.Set, call)
		took := time.Since(begin)
		if err != nil {
			return nil, 0, err
		}
		t.metrics.toolCalled(ctx, in.Call, result.IsError, took)
		bounded := tools.Bound(result, in.MaxBytes)
		return CallToolResult{Content: bounded.Content, IsError: bounded.IsError, TookMS: t.undisturbed(took)}, len(bounded.Content), nil
	})
	switch {
	case errors.Is(unmade, errToolChanged):
		return CallToolResult{Content: unmade.Error(), IsError: true}, nil
	case unmade != nil:
		return CallToolResult{}, unmade
	}
	if joined {
		t.metrics.joined(t.sdk, "tool")
		t.span.Set(tracing.KeyJoined.Bool(true))
	}
	if err != nil {
		return CallToolResult{}, t.failed(err)
	}
	out := got.(CallToolResult)
	if joined {
		out.TookMS = 0
	}
	return out, nil
}

// announce records at Temporal that the call is about to be made. That also proves that
// the attempt is the current one.
func (t *calling) announce(ctx context.Context) error {
	if t.mark != nil && !t.in.Call.Repeatable {
		return unknownOutcome(t.in.Call, errors.New("an earlier attempt was lost"))
	}
	if t.tools == nil {
		return noTools(t.in.Call.Set)
	}
	if err := t.unchanged(ctx); err != nil {
		return err
	}
	mark := Mark{Time: t.clock.now(), Sends: 1}
	if t.mark != nil {
		mark.Sends += t.mark.Sends
	}
	t.mark = &mark
	err := t.record(ctx, mark, "tool")
	if err == nil {
		err = t.act(ctx, "tool")
	}
	if err != nil {
		t.unsent()
	}
	return err
}

// unsent takes back the mark of a call that was not made.
func (t *calling) unsent() {
	switch {
	case t.mark == nil:
		return
	case t.mark.Sends > 1: // those before it may have been made
		before := *t.mark
		before.Sends--
		t.mark = &before
		t.live.leave(before)
	default:
		t.mark = nil
		t.live.leave(Mark{})
	}
}

// failed is the error of an attempt whose call has none but an error for an answer.
func (t *calling) failed(err error) error {
	switch cause := context.Cause(t.work); {
	case cause != nil && givenUp(cause): // the call goes on
		return err
	case !mayHaveRun(err):
		t.unsent()
		return err
	case t.in.Call.Repeatable:
		return err
	}
	return unknownOutcome(t.in.Call, err)
}

// unknownOutcome is final: calling again might do the tool's work twice.
func unknownOutcome(call PlannedCall, cause error) error {
	return &conversation.Error{
		Kind:      conversation.Ambiguous,
		Op:        fmt.Sprintf("tools: call %s/%s", call.Set, call.Name),
		Err:       fmt.Errorf("the call may have been made, and must not be repeated: %w", cause),
		Remedy:    "find out there whether it was made; a tool whose calls may be repeated has the annotation readOnlyHint or idempotentHint, or the setting retry: always",
		Ambiguous: true,
	}
}

// errToolChanged is for the model.
var errToolChanged = errors.New("the tool was changed or removed by its server after the call had been approved: the call was not made; " +
	"call the tool as it is now, if that is still wanted")

// unchanged reports an error if the tool is not the one that an operator was asked about.
// What is called without asking is not compared: the server checks the arguments.
func (t *calling) unchanged(ctx context.Context) error {
	call := t.in.Call
	if !call.Ask || call.Digest == "" || t.mark != nil {
		return nil
	}
	offered, err := t.tools.Offer(ctx, []string{call.Set + "/" + call.Name})
	if err != nil {
		return err
	}
	for _, o := range offered {
		if o.Name == call.Name && toolDigest(o) == call.Digest {
			return nil
		}
	}
	return errToolChanged
}

// toolDigest names a tool with all that says what a call of it does.
func toolDigest(o tools.Offered) string {
	sum := sha256.New()
	for _, part := range []string{o.Set, o.Name, o.Digest, o.Tool.Description, string(o.Tool.Schema)} {
		_, _ = fmt.Fprintf(sum, "%d %s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

func noTools(set string) error {
	return &conversation.Error{
		Kind:   conversation.Unavailable,
		Op:     fmt.Sprintf("tools %q", set),
		Err:    fmt.Errorf("this worker has no such tools"),
		Remedy: "give all workers of a task queue the same tools",
	}
}

// offer lists what the model may call in this turn.
func (c *Conversation) offer(ctx context.Context, sets []string) ([]tools.Offered, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	if c.tools == nil {
		return nil, noTools(strings.Join(sets, ", "))
	}
	return c.tools.Offer(ctx, sets)
}

// plan looks the calls of a message up. What cannot be called is planned with its
// fault, so that the model can do better.
func plan(message conversation.Message, offered []tools.Offered) []PlannedCall {
	var out []PlannedCall
	for i, call := range message.ToolCalls() {
		p := PlannedCall{CallID: call.ID, Tool: call.Name, Arguments: call.Arguments}
		if p.CallID == "" {
			p.CallID = fmt.Sprintf("call_%d", i)
		}
		p.Fault = fmt.Sprintf("there is no tool %q", call.Name)
		for _, o := range offered {
			if o.Tool.Name == call.Name {
				p.Set, p.Name, p.Ask, p.Timeout, p.Fault = o.Set, o.Name, o.Ask, o.Timeout, ""
				p.Repeatable, p.Digest = o.Repeatable, toolDigest(o)
			}
		}
		if p.Fault == "" {
			p.Fault = argumentsFault(call.Arguments)
		}
		if p.Fault != "" {
			p.Arguments = nil // they may be anything
		}
		out = append(out, p)
	}
	return out
}
