package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// A waiting call is a tool call that waits for approval, with its conversation.
type waitingCall struct {
	Conversation string `json:"conversation"`
	workflows.Approval
}

// A decision is what an operator says about a waiting call.
type decision struct {
	workflows.ApproveRequest
	// yes approves what waits without a question.
	yes bool
}

func (s *starter) approveCommand() *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use: "approve [CONVERSATION]", Long: approveHelp, Example: approveExample, Args: cobra.MaximumNArgs(1),
		RunE: s.does(func(ctx context.Context, args []string) error {
			switch {
			case len(args) == 1:
				return s.approve(ctx, args[0], d)
			case d != decision{}:
				return usagef("name the conversation of the tool call")
			}
			return s.listWaiting(ctx)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&d.CallID, "call", "", "the `call` to decide, if several wait")
	flags.StringVar(&d.Digest, "digest", "", "the `digest` of the call that was seen: it is decided without a question, and nothing else is")
	flags.BoolVar(&d.Deny, "deny", false, "refuse the call; the agent receives the refusal")
	flags.StringVar(&d.Reason, "reason", "", "the reason of the refusal, for the agent")
	flags.BoolVarP(&d.yes, "yes", "y", false, "do not ask")
	s.flags.registerAs(flags)
	return cmd
}

func (s *starter) approve(ctx context.Context, name string, d decision) error {
	if d.Reason != "" && !d.Deny {
		return usagef("--reason goes with --deny")
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	looking, cancel := s.bounded(ctx)
	defer cancel()
	id, err := o.Find(looking, name)
	if err != nil {
		return err
	}
	waiting, err := o.Waiting(looking, id)
	if err != nil {
		return err
	}
	if len(waiting) == 0 { // the conversation knows why
		_, err := o.Approve(looking, id, d.ApproveRequest)
		return err
	}
	call, err := d.choose(id, waiting)
	if err != nil {
		return err
	}
	if d.Digest == "" && !d.Deny && !d.yes {
		s.say("%s", callText(*call, time.Now()))
		if err := s.confirm(question(*call)); err != nil {
			return err
		}
	}
	d.CallID, d.Digest, d.By = call.CallID, call.Digest, s.operatorName()
	deciding, cancel := s.bounded(ctx) // the question took its time
	defer cancel()
	status, err := o.Approve(deciding, id, d.ApproveRequest)
	if err != nil {
		return err
	}
	return s.decided(d.doing(*call), operate.Result{ID: id, Status: string(status.State)}, *call, d.By)
}

// choose returns the call that is meant: the only one that waits, unless one is named. A
// digest that nothing waits under is not looked past: what was seen waits no more.
func (d decision) choose(id string, waiting []workflows.Approval) (*workflows.Approval, error) {
	var found []workflows.Approval
	for _, a := range waiting {
		if (d.CallID == "" || d.CallID == a.CallID) && (d.Digest == "" || d.Digest == a.Digest) {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 1:
		return &found[0], nil
	case len(found) > 1:
		return nil, rejected("approve %q: %d tool calls wait for approval: name one with --call; starter approve lists them", id, len(found))
	case d.Digest != "":
		return nil, rejected("approve %q: no tool call waits that has the digest %s: look again at what waits with starter approve", id, d.Digest)
	}
	return nil, rejected("approve %q: no tool call %q waits for approval", id, d.CallID)
}

func rejected(format string, args ...any) error {
	return &records.Fault{Kind: records.Rejected, Text: fmt.Sprintf(format, args...)}
}

func (d decision) doing(a workflows.Approval) string {
	switch {
	case d.Deny && a.Lost != "":
		return "leaving unknown"
	case d.Deny:
		return "refusing"
	case a.Lost != "":
		return "calling again"
	}
	return "approving"
}

// question is asked before a call is made.
func question(a workflows.Approval) string {
	if a.Lost != "" {
		return "The call may have been made. Make it again?"
	}
	return "Approve this call?"
}

// decided echoes what was decided, and by whom.
func (s *starter) decided(doing string, result operate.Result, call workflows.Approval, by string) error {
	if s.inJSON() {
		return s.document(map[string]any{"action": doing, "results": []operate.Result{result}, "call": call, "by": by})
	}
	s.print("%s %s, as %s\n%s", printable.Line(doing), printable.ID(result.ID), printable.Line(by), indent(strings.TrimRight(callText(call, time.Now()), "\n"), "  ")+"\n")
	return nil
}

// listWaiting lists all tool calls that wait for approval.
func (s *starter) listWaiting(ctx context.Context) error {
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	finding, cancel := s.bounded(ctx)
	defer cancel()
	ids, err := o.Matching(finding, records.Filter{Statuses: []string{string(workflows.StateNeedsApproval)}})
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
	for i, c := range calls {
		if i > 0 {
			s.print("\n")
		}
		s.print("%s\n%s\n", printable.ID(c.Conversation), indent(strings.TrimRight(callText(c.Approval, time.Now()), "\n"), "  "))
	}
	return nil
}

// callText shows a waiting call whole: a decision is one on what was seen.
func callText(a workflows.Approval, now time.Time) string {
	tool := printable.ID(a.Tool)
	if origin := a.Set + "/" + a.Name; a.Set != "" && origin != a.Tool {
		tool += " (" + printable.ID(origin) + ")"
	}
	rows := [][2]string{
		{"tool", tool},
		{"call", printable.ID(a.CallID)},
		{"digest", printable.ID(a.Digest)},
		{"asked", age(a.Since, now) + ", time left " + span(a.Until.Sub(now))},
		{"unknown", a.Lost},
	}
	text := pairs(rows...)
	if arguments := argumentsText(a.Arguments); arguments != "" {
		text += "arguments\n" + indent(arguments, "  ") + "\n"
	}
	return text
}

// argumentsText is the arguments of a call as they are, on lines of their own. Keys that
// come twice and all digits stay; characters that are not seen are escaped.
func argumentsText(data json.RawMessage) string {
	if len(data) == 0 {
		return ""
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, data, "", "  ") != nil {
		return clean(string(data))
	}
	var b strings.Builder
	_, _ = printable.JSON(&b).Write(pretty.Bytes())
	return clean(b.String())
}
