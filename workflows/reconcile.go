package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// stale says why the state may be older than what the platform holds.
type stale struct {
	// run is the run that goes on, if the workflow was reset: it has the history of
	// another run up to some point, and that run went further. Empty: it was not.
	run string
}

// noteReset is said of a task that goes on after a reset.
const noteReset = "the workflow was reset: the agent may have run before"

// wasReset takes in that an activity found the workflow reset.
func (t *talk) wasReset(ctx workflow.Context, f failure) {
	if t.stale == nil {
		workflow.GetLogger(ctx).Warn("the run was reset: the conversation is read anew before it goes on", "run", f.runID)
		t.stale = &stale{run: f.runID}
	}
}

// reconcile reads the conversation anew and goes on from what the platform holds:
// nothing is bought or sent again. A conversation that has ended there has ended.
func (t *talk) reconcile(ctx workflow.Context) (*verdict, error) {
	reset := t.stale.run != ""
	v, err := t.compare(ctx)
	if v != nil && reset && !strings.Contains(v.detail, "reset") {
		v.detail = join("the workflow was reset", v.detail)
	}
	return v, err
}

func (t *talk) compare(ctx workflow.Context) (*verdict, error) {
	old := t.stale
	t.stale = nil
	t.anew++
	if old.run != "" {
		t.run, t.afterReset = old.run, true
	}
	switch {
	case t.direct != nil:
		return nil, nil // nothing was sent anywhere
	case t.in.Given != nil && t.about.Task != nil:
		// Only this workflow knows of the task. It is another run of it.
		t.task.note = noteReset
		return nil, nil
	case t.task != nil:
		return t.reconcileTask(ctx)
	}
	out, done, v, err := t.readContext(ctx)
	if !done {
		return v, err
	}
	if out.Context.Task != nil {
		// It was reset to before its claim.
		t.run = out.RunID
		return t.reconcileTask(ctx)
	}
	if old.run != "" {
		if out, done, v, err = t.settled(ctx, out); !done {
			return v, err
		}
	}
	return t.reconcileConversation(ctx, out)
}

// settled reads the conversation until nothing comes any more: the run that was reset
// may have been sending something, of which this one's history does not know.
func (t *talk) settled(ctx workflow.Context, out activities.ContextResult) (activities.ContextResult, bool, *verdict, error) {
	for out.State == activities.StateOpen && out.Settle > 0 {
		t.step = "what was sent before the reset may still arrive"
		t.show(ctx)
		if _, err := t.waitUpTo(ctx, out.Settle, t.step, t.interrupted); err != nil {
			return out, false, nil, err
		}
		if t.interrupted() {
			return out, false, t.overdue(ctx), nil
		}
		before := out.Count
		again, done, v, err := t.readContext(ctx)
		if !done {
			return out, false, v, err
		}
		if out = again; out.Count == before {
			break
		}
	}
	return out, true, nil, nil
}

func (t *talk) reconcileConversation(ctx workflow.Context, out activities.ContextResult) (*verdict, error) {
	switch {
	case out.State == activities.StateUnknown && out.Count == 0:
		return &verdict{
			kind: conversation.OutcomeFailed, cause: conversation.Reset,
			detail: fmt.Sprintf("the workflow was reset, and platform %q keeps no transcript to go on from: start a new conversation", t.in.Ref.Platform),
		}, nil
	case out.State == activities.StateWaiting && !t.in.Adopt:
		t.run, t.claimRun, t.claimed, t.unclear = out.RunID, out.RunID, false, false
		if done, v, err := t.claim(ctx); !done {
			return v, err
		}
		t.claimed = true
		return t.learn(ctx)
	}
	t.claimed, t.unclear = true, false
	t.dropRepeated(out.Messages)
	executor := t.executor
	v, err := t.takeContext(ctx, out)
	if t.count > 0 {
		t.executor = executor // chosen before, perhaps by a person
	}
	// What the executor keeps on its side is about another transcript.
	t.state, t.byOperator = nil, false
	if v != nil || err != nil {
		return v, err
	}
	t.setState(ctx, StateTalking)
	t.show(ctx)
	return nil, nil
}

// dropRepeated forgets an operator's answer that the platform has. Temporal applies the
// updates of the run that was reset once more.
func (t *talk) dropRepeated(held []conversation.Message) {
	if t.takeover == nil {
		return
	}
	for _, m := range held {
		if m.Role == conversation.RoleAssistant && m.Text() == t.takeover.Text {
			t.takeover = nil
			return
		}
	}
}

// reconcileTask goes on with a task only while its claim is this workflow's. One that
// has been acknowledged, or released, is not run again.
func (t *talk) reconcileTask(ctx workflow.Context) (*verdict, error) {
	out, err := t.held(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		f := failureOf(err)
		return &verdict{kind: conversation.OutcomeFailed, cause: f.kind, detail: join("whether the task is still ours could not be found out", f.String())}, nil
	case out.Receipt == nil:
		if t.task == nil {
			t.task = &taskRun{}
		}
		t.task.withdrawn, t.unclear = true, false
		return &verdict{
			kind: conversation.OutcomeEnded, by: conversation.EndedByPlatform,
			detail: "the workflow was reset after its task had been acknowledged or released: it was not run again",
		}, nil
	}
	begun := t.task != nil && t.about.Task != nil
	if t.task == nil {
		t.task = &taskRun{}
	}
	t.task.receipt, t.claimed, t.unclear = *out.Receipt, true, false
	t.task.note = noteReset
	if begun {
		return nil, nil
	}
	return t.learn(ctx)
}
