package command

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// callKey tells calls apart: models choose the ids.
func callKey(a workflows.Approval) string { return a.CallID + " " + a.Digest + " " + a.Since.String() }

// decide asks about one tool call, until it is decided here or elsewhere.
func (t *talk) decide(ctx context.Context, a workflows.Approval, done <-chan struct{}, sightings <-chan chat.Condition) error {
	t.print("%s", t.question(t.ref.Agent, a, time.Now(), t.screen.Width()))
	for {
		answer, err := t.answer(ctx, a, done, sightings)
		if err != nil || answer == "" {
			return err
		}
		req := workflows.ApproveRequest{CallID: a.CallID, Digest: a.Digest, By: t.s.operatorName()}
		switch strings.ToLower(answer) {
		case "y", "yes":
		case "n", "no":
			req.Deny = true
		default:
			req.Deny, req.Reason = true, answer
		}
		deciding, cancel := t.s.bounded(ctx)
		_, err = t.o.Approve(deciding, t.id(), req)
		cancel()
		switch {
		case err == nil && a.Lost != "" && req.Deny:
			t.remark("not called again: the agent learns that the outcome is unknown")
		case err == nil && a.Lost != "":
			t.remark("called again")
		case err == nil && req.Deny:
			t.remark("refused: the agent receives the refusal")
		case err == nil:
			t.remark("allowed")
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case records.KindOf(err) == records.Rejected, records.KindOf(err) == records.Ended:
			t.warn("%v", err)
		default: // without a worker the decision is still needed
			t.warn("%v", err)
			continue
		}
		return nil
	}
}

// answer is the typed answer to a question, empty once the question is settled
// elsewhere.
func (t *talk) answer(ctx context.Context, a workflows.Approval, done <-chan struct{}, sightings <-chan chat.Condition) (string, error) {
	prompt := t.warning("allow it? [y]es, [n]o, or why not › ")
	if a.Lost != "" {
		prompt = t.warning("call it again? [y]es, [n]o, or why not › ")
	}
	typed := t.screen.Ask(prompt)
	for {
		select {
		case line := <-typed:
			switch text := strings.TrimSpace(line.Text); {
			case errors.Is(line.Err, io.EOF):
				return "", errLeft
			case line.Err != nil:
				t.remark("not decided: `starter approve %s` decides it too", shellWord(t.id()))
				return "", t.stopWaiting()
			case text != "":
				return text, nil
			}
			typed = t.screen.Ask(prompt)
		case seen := <-sightings:
			t.seen = seen
			if seen.Err != nil || waits(seen.Status, a) {
				continue
			}
			t.screen.Cancel(typed)
			t.remark("no answer is needed any more")
			return "", nil
		case <-done:
			t.screen.Cancel(typed)
			return "", nil
		case <-ctx.Done():
			t.screen.Cancel(typed)
			return "", context.Cause(ctx)
		}
	}
}

func waits(st workflows.Status, a workflows.Approval) bool {
	for _, other := range st.Approvals {
		if callKey(other) == callKey(a) {
			return true
		}
	}
	return false
}
