package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

// A waiting call is a tool call that waits for approval, with its conversation.
type waitingCall struct {
	Conversation string `json:"conversation"`
	workflows.Approval
}

func (s *starter) approveCommand() *cobra.Command {
	var req workflows.ApproveRequest
	cmd := &cobra.Command{
		Use: "approve [CONVERSATION]", Long: approveHelp, Example: approveExample, Args: cobra.MaximumNArgs(1),
		RunE: s.does(func(ctx context.Context, args []string) error {
			switch {
			case len(args) == 1:
				return s.approve(ctx, args[0], req)
			case req != workflows.ApproveRequest{}:
				return usagef("name the conversation of the tool call")
			}
			return s.listWaiting(ctx)
		}),
	}
	cmd.Flags().StringVar(&req.CallID, "call", "", "the `call` to decide, if several wait")
	cmd.Flags().BoolVar(&req.Deny, "deny", false, "refuse the call; the agent receives the refusal")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "the reason of the refusal, for the agent")
	return cmd
}

func (s *starter) approve(ctx context.Context, name string, req workflows.ApproveRequest) error {
	if req.Reason != "" && !req.Deny {
		return usagef("--reason goes with --deny")
	}
	doing := "approving"
	if req.Deny {
		doing = "refusing"
	}
	a := &action{doing: doing, do: func(ctx context.Context, o *operate.Operator, id string) (workflows.Status, error) {
		return o.Approve(ctx, id, req)
	}}
	return s.act(ctx, a, []string{name})
}

// listWaiting lists all tool calls that wait for approval.
func (s *starter) listWaiting(ctx context.Context) error {
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	finding, cancel := s.bounded(ctx)
	defer cancel()
	ids, err := o.Matching(finding, operate.Filter{Statuses: []string{string(workflows.StateNeedsApproval)}})
	if err != nil {
		return err
	}
	calls := []waitingCall{}
	for _, id := range ids {
		asking, cancel := s.bounded(ctx)
		waiting, err := o.Waiting(asking, id)
		cancel()
		if err != nil {
			return err
		}
		for _, w := range waiting {
			calls = append(calls, waitingCall{Conversation: id, Approval: w})
		}
	}
	if s.inJSON() {
		return s.document(map[string]any{"waiting": calls})
	}
	if len(calls) == 0 {
		s.print("no tool call waits for approval\n")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(calls))
	for i, c := range calls {
		rows[i] = []string{printable.ID(c.Conversation), printable.ID(c.CallID), printable.ID(c.Tool), clip(clean(compact(c.Arguments)), 60), age(c.Since, now), span(c.Until.Sub(now))}
	}
	s.print("%s", tabulate([]string{"conversation", "call", "tool", "arguments", "asked", "time left"}, rows))
	return nil
}
