package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// choose lets the conversation's metadata pick its executor among those allowed.
func (t *talk) choose(about conversation.Context) {
	if name := about.Executor(); name != "" && slices.Contains(t.policy.Executors, name) {
		t.executor = name
	}
}

// afford holds the conversation back when it has spent its budget. Once somebody
// resumes it or takes over, it goes on for as long as it had been allowed to spend.
func (t *talk) afford(ctx workflow.Context) (*verdict, error) {
	if t.takeover != nil {
		return nil, nil // a person costs nothing
	}
	spent := spending.Amount{
		Tokens: spending.Tokens(t.usage) - t.allowed.Tokens,
		Money:  spending.Money(t.usage.Cost) - t.allowed.Money,
	}
	why := spending.Limits{Tokens: t.policy.MaxTokens, Money: spending.Money(t.policy.MaxCost)}.Over(spent, t.policy.Currency)
	if why == "" {
		return nil, nil
	}
	v, err := t.trouble(ctx, stepBudget, failure{kind: conversation.BudgetSpent, reason: why}, t.replyInterrupted)
	if v == nil && err == nil {
		t.allowed = spending.Amount{Tokens: spending.Tokens(t.usage), Money: spending.Money(t.usage.Cost)}
	}
	return v, err
}

// reply gets the agent's next message from the executor, which may call tools
// first, or from an operator who takes over. What went on between the agent and
// its tools in a turn that does not end with its reply is forgotten.
func (t *talk) reply(ctx workflow.Context) (message conversation.Message, end bool, v *verdict, err error) {
	before := t.remember()
	message, end, v, err = t.think(ctx)
	switch {
	case err != nil:
		return message, false, nil, err
	case t.stale != nil && v == nil:
		t.forget(before)
		return message, false, nil, nil
	case t.takeover != nil && !t.endWanted():
		t.forget(before)
		message = conversation.Text(conversation.RoleAssistant, t.takeover.Text)
		message.Time = workflow.Now(ctx).UTC()
		end = t.takeover.End
		t.takeover = nil
		t.byOperator = true
		return message, end, nil, nil
	case v != nil:
		return message, false, v, nil
	case t.endWanted():
		return message, false, t.overdue(ctx), nil
	}
	t.byOperator = false
	return message, end, nil, nil
}

func (t *talk) replyInterrupted() bool { return t.takeover != nil || t.interrupted() }

// think asks the executor, makes the tool calls it wants, and asks again, until
// it has a reply. It returns early when replyInterrupted.
func (t *talk) think(ctx workflow.Context) (message conversation.Message, end bool, v *verdict, err error) {
	calls := 0
	for round := 0; ; round++ {
		if v, err := t.afford(ctx); v != nil || err != nil || t.replyInterrupted() {
			return message, false, v, err
		}
		last := round >= t.policy.ToolRounds || crowded(ctx)
		out, v, err := t.ask(ctx, round, last)
		if v != nil || err != nil || t.replyInterrupted() {
			return message, false, v, err
		}
		if len(out.Calls) == 0 || last {
			return out.Message, out.End, nil, nil
		}
		t.messages = append(t.messages, out.Message)
		t.internal++
		t.digest = activities.Digest(t.digest, out.Message)
		results, err := t.callTools(ctx, out.Calls, calls)
		if err != nil || t.replyInterrupted() {
			return message, false, nil, err
		}
		calls += len(out.Calls)
		t.messages = append(t.messages, results...)
		t.internal += len(results)
		t.unseen = len(results)
	}
}

// The history that a turn's rounds of tools may fill: well below where Temporal
// ends a workflow, which is at 50 MiB or 51,200 events. It continues as new only
// between turns.
const (
	maxTurnHistory = 20 << 20
	maxTurnEvents  = 20_000
)

// crowded reports whether the turn should come to its end.
func crowded(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistorySize() > maxTurnHistory || info.GetCurrentHistoryLength() > maxTurnEvents
}

// ask has the executor answer once, without tools if it is the last time.
func (t *talk) ask(ctx workflow.Context, round int, last bool) (out activities.ReplyResult, v *verdict, err error) {
	in := activities.ReplyInput{
		Ref:      t.in.Ref,
		Run:      t.run,
		Anew:     t.anew,
		Attempts: t.policy.ReplyAttempts,
		Turn:     t.turn + 1,
		Round:    round,
		Before:   t.total() - t.unseen,
		Internal: t.internal - internalIn(t.messages[len(t.messages)-t.unseen:]),
		Digest:   t.digest,
		New:      t.messages[len(t.messages)-t.unseen:],
		State:    t.state,
		Alone:    t.direct != nil || t.task != nil && t.in.Given != nil,
		Task:     t.about.Task,
	}
	if !last {
		in.Tools = t.policy.Tools
	}
	if t.afterReset {
		// The run that was reset may have asked: what must run at most once is not to
		// run again unseen.
		in.Resume = &activities.ReplyProgress{Asked: true}
	}
	name := fmt.Sprintf("turn %d · reply", t.turn+1)
	if round > 0 {
		name = fmt.Sprintf("turn %d · reply after tools %d", t.turn+1, round)
	}
	refused := false
	done, v, err := t.attempt(ctx, step{
		name: name, options: activities.ReplyOptions(t.policy), activity: activities.ReplyName,
		input: func() any {
			in.Executor, in.State = t.executor, t.state // resume may have changed them
			return in
		},
		interrupted: t.replyInterrupted,
		get: func(f workflow.Future) (*redo, error) {
			before := triesOf(in.Resume)
			out = activities.ReplyResult{}
			err := f.Get(ctx, &out)
			in.Resume = out.Resume
			if err == nil {
				t.lag = out.Lag
			}
			t.afterReset = false
			return redoIf(out.HandedOver, out.Wait, triesOf(out.Resume)-before), err
		},
		recover: func(f failure) recovery {
			switch {
			case f.kind == conversation.ContextTooLong && in.Window == 0 && t.total() > 2:
				in.Window = t.total() / 2
				return retry
			case f.kind == conversation.Refused && t.policy.RefusalText != "":
				refused = true
				return resolved
			}
			return none
		},
	})
	if out.HandedOver && out.Resume != nil {
		out.Usage = out.Usage.Add(out.Resume.Spent) // no activity follows that would say so
	}
	t.usage = t.usage.Add(out.Usage)
	if !done || t.replyInterrupted() {
		return out, v, err
	}
	t.digest = activities.Digest(t.digest, in.New...)
	t.unseen = 0
	if refused {
		out = activities.ReplyResult{Message: conversation.Text(conversation.RoleAssistant, t.policy.RefusalText)}
		out.Message.Time = workflow.Now(ctx).UTC()
		return out, nil, nil
	}
	t.state, t.executor, t.model = out.State, out.Executor, out.Model
	return out, nil, nil
}

func triesOf(p *activities.ReplyProgress) int {
	if p == nil {
		return 0
	}
	return p.Tries
}

func internalIn(messages []conversation.Message) int {
	n := 0
	for _, m := range messages {
		if m.Internal() {
			n++
		}
	}
	return n
}

// memory is what a turn that is given up goes back to.
type memory struct {
	messages, internal, unseen int
	digest                     string
}

func (t *talk) remember() memory {
	return memory{len(t.messages), t.internal, t.unseen, t.digest}
}

func (t *talk) forget(m memory) {
	t.messages = t.messages[:m.messages]
	t.internal, t.unseen, t.digest = m.internal, m.unseen, m.digest
}
