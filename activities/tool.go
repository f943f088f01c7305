package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// Tools are the sets that a worker has.
type Tools interface {
	// Offer lists the tools of the sets, fit for a model.
	Offer(ctx context.Context, sets []string) ([]tools.Offered, error)
	// Call makes one call.
	Call(ctx context.Context, set string, call tools.Call) (tools.Result, error)
}

// CallTool makes one tool call. A set that fails is an error, and retried with
// the same key; what a tool returns, faults included, is a result.
func (c *Conversation) CallTool(ctx context.Context, in CallToolInput) (CallToolResult, error) {
	a := c.begin(ctx, "tool", nil)
	defer a.end()

	begin := time.Now()
	out, err := a.callTool(a.work, in)
	switch {
	case err != nil && a.handsOver():
		return CallToolResult{HandedOver: true, Failed: failedAttempts(ctx), Lag: c.lag.worst()}, nil
	case err != nil:
		return CallToolResult{}, a.fail(err, ErrorDetails{})
	}
	out.Place(in)
	out.Lag = c.lag.worst()
	c.metrics.toolCalled(ctx, in.Call, out, time.Since(begin))
	return out, nil
}

func (a *attempt) callTool(ctx context.Context, in CallToolInput) (CallToolResult, error) {
	if err := checkRun(ctx, in.Run); err != nil {
		return CallToolResult{}, err
	}
	if a.tools == nil {
		return CallToolResult{}, noTools(in.Call.Set)
	}
	if in.MaxBytes <= 0 {
		in.MaxBytes = conversation.DefaultToolResultBytes
	}
	execution := a.info.WorkflowExecution
	call := tools.Call{
		Conversation: in.Ref,
		Name:         in.Call.Name,
		Arguments:    in.Call.Arguments,
		Key:          toolKey(execution.ID, in),
		Attempt:      int(a.info.Attempt),
	}
	// The call goes on if Temporal gives the attempt up: the next one on this worker
	// joins it.
	key := fmt.Sprintf("%s %s %s/%s %s", call.Key, execution.RunID, in.Call.Set, in.Call.Name, in.Call.Arguments)
	if !a.calls.has(key) {
		if err := a.act(ctx, "tool"); err != nil {
			return CallToolResult{}, err
		}
	}
	work, cancel := context.WithDeadline(ctx, a.info.Deadline.Add(-reserve(a.info)))
	defer cancel()
	got, joined, err := a.calls.do(work, a, key, nil, func(ctx context.Context, _ func(json.RawMessage)) (any, int, error) {
		result, err := a.tools.Call(ctx, in.Call.Set, call)
		if err != nil {
			return nil, 0, err
		}
		bounded := tools.Bound(result, in.MaxBytes)
		return CallToolResult{Content: bounded.Content, IsError: bounded.IsError}, len(bounded.Content), nil
	})
	if joined {
		a.metrics.joined(a.sdk, "tool")
	}
	if err != nil {
		return CallToolResult{}, err
	}
	return got.(CallToolResult), nil
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
			}
		}
		if p.Fault == "" && len(call.Arguments) > 0 && !json.Valid(call.Arguments) {
			p.Fault = "the arguments are not valid JSON"
		}
		if p.Fault != "" {
			p.Arguments = nil // they may be anything
		}
		out = append(out, p)
	}
	return out
}
