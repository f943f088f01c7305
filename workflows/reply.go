package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// reply is the agent's side of a turn.
type reply struct {
	message conversation.Message
	// end means that the agent wants to end the conversation with it.
	end bool
	// byOperator means that an operator has answered instead of the executor.
	byOperator bool
	// before is where the turn began.
	before bookmark
}

// reply gets the agent's next message from the executor, which may call tools first, or
// from an operator who takes over. What went on between the agent and its tools before
// stays: without it the agent might do the same again. A nil reply without an ending means
// that something else comes first.
func (r *run) reply(ctx workflow.Context) (*reply, *ending, error) {
	before := r.transcript.bookmark()
	out, e, err := r.replyWithTools(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case r.resets.stale != nil && e == nil:
		r.resets.stale.back = &before
		return nil, nil, nil
	case r.wishes.takeover != nil && !r.ends():
		out = r.takeoverReply(ctx)
	case e != nil:
		return nil, e, nil
	case r.ends():
		return nil, r.mustEnd(ctx), nil
	}
	if out != nil {
		out.before = before
	}
	return out, nil, nil
}

// takeoverReply is the operator's answer.
func (r *run) takeoverReply(ctx workflow.Context) *reply {
	req := r.wishes.takeover
	r.wishes.takeover = nil
	r.turnTime.disturb()
	return &reply{message: r.ownText(ctx, req.Text), end: req.End, byOperator: true}
}

// ownText is a message of the agent that the executor did not write.
func (r *run) ownText(ctx workflow.Context, text string) conversation.Message {
	m := conversation.Text(conversation.RoleAssistant, text).Clean()
	m.Time = workflow.Now(ctx).UTC()
	if m.Cleaned > 0 {
		workflow.GetLogger(ctx).Warn("characters that platforms cannot store were taken out of the text", "characters", m.Cleaned)
	}
	return m
}

// replyWithTools asks the executor for its reply, makes the tool calls it wants, and asks
// again, until it has one. It returns early, without a reply, when replyInterrupted.
func (r *run) replyWithTools(ctx workflow.Context) (*reply, *ending, error) {
	calls := 0
	for round := 0; ; round++ {
		if e, err := r.checkBudget(ctx); e != nil || err != nil || r.replyInterrupted() {
			return nil, e, err
		}
		last := round >= r.policy.ToolRounds || historyIsFull(ctx)
		out, e, err := r.requestReply(ctx, round, last)
		if e != nil || err != nil || r.replyInterrupted() {
			return nil, e, err
		}
		if len(out.Calls) == 0 || last {
			return &reply{message: out.Message, end: out.End}, nil, nil
		}
		r.transcript.called(out.Record(activities.ReplyInput{Turn: r.transcript.nextTurn()}))
		results, err := r.callTools(ctx, out.Calls, calls)
		if err != nil || r.interrupted() {
			return nil, nil, err
		}
		calls += len(out.Calls)
		r.transcript.toolsAnswered(results)
	}
}

// A replyRequest asks the executor once.
type replyRequest struct {
	*run
	in  activities.ReplyInput
	out activities.ReplyResult
	// refused means that the refusal text is sent instead of a reply.
	refused bool
	// shrunk means that more than what the executor is given did not fit.
	shrunk bool
	// last is the reply so far, where it was cut off, and whole is the same once it cannot be
	// continued.
	last  activities.ReplyResult
	whole *activities.ReplyResult
}

// requestReply asks the executor once, without tools if it is the last time.
func (r *run) requestReply(ctx workflow.Context, round int, last bool) (out activities.ReplyResult, e *ending, err error) {
	q := &replyRequest{run: r, in: r.replyInput(round)}
	if !last {
		q.in.Tools = r.policy.Tools
	}
	if r.resets.mayHaveAsked {
		// What must run at most once must not run twice unnoticed.
		q.in.Resume = &activities.ReplyProgress{Asked: true}
	}
	name := fmt.Sprintf("turn %d · reply", q.in.Turn)
	if round > 0 {
		name = fmt.Sprintf("turn %d · reply after tools %d", q.in.Turn, round)
	}
	done, e, err := q.ask(ctx, name)
	for done && err == nil && !r.replyInterrupted() && q.continues(ctx) {
		done, e, err = q.ask(ctx, fmt.Sprintf("%s, continued %d", name, q.in.Part))
	}
	if !done || r.replyInterrupted() {
		return q.out, e, err
	}
	if q.out.Park != nil {
		e, err = r.parkForFinding(ctx, name, q.out.Park)
		return q.out, e, err
	}
	r.transcript.seen()
	if q.refused { // the attempt failed, and may not have compared anything
		return activities.ReplyResult{Message: r.ownText(ctx, r.policy.RefusalText)}, nil, nil
	}
	r.transcript.unverified = 0
	return q.out, nil, nil
}

// ask asks the executor, and adds up what that costs.
func (q *replyRequest) ask(ctx workflow.Context, name string) (done bool, e *ending, err error) {
	done, e, err = q.runStep(ctx, step{
		name: name, options: activities.ReplyOptions(q.policy), activity: activities.ReplyName,
		input: q.input, interrupted: q.replyInterrupted,
		get:     func(f workflow.Future) (*handover, error) { return q.get(ctx, f) },
		recover: q.recover, resumed: q.resumed,
	})
	if q.whole != nil { // it could not be continued
		q.out = *q.whole
		return done, e, err
	}
	if q.out.HandedOver && q.out.Resume != nil {
		q.out.Usage = q.out.Usage.Add(q.out.Resume.Spent) // no activity follows that would report it
	}
	q.usage.add(q.out.Usage)
	if done && !q.refused && q.out.Park == nil && !q.replyInterrupted() {
		q.replied.add(q.out.Executor, q.out.Model)
		q.run.agent = agent{executor: q.out.Executor, model: q.out.Model, state: q.out.State, limit: q.fitted()}
	}
	return done, e, err
}

// replyInput asks for the next turn's message. It carries what the executor has not seen.
func (r *run) replyInput(round int) activities.ReplyInput {
	t := &r.transcript
	unseen, digest := t.newWithin(maxNewMessages)
	before, anew := t.Next-t.unseen, false
	if left := len(t.new()) - len(unseen); left > 0 {
		// The activity reads them with those before, and an executor that keeps the
		// conversation on its side is given it anew: it has not seen them.
		before, anew = before+left, true
	}
	return activities.ReplyInput{
		Ref:        r.in.Ref,
		Run:        r.resets.run,
		Reconciled: r.resets.reconciled,
		Attempts:   r.policy.ReplyAttempts,
		Budgeted:   r.policy.MaxTokens > 0 || r.policy.MaxCost > 0,
		Turn:       t.nextTurn(),
		Round:      round,
		Before:     before,
		Internal:   t.Internal - internalMessages(unseen),
		Digest:     digest,
		New:        unseen,
		Anew:       anew,
		OnlyCopy:   r.onlyCopy,
		Exchanged:  r.exchanges,
		Unverified: t.unverified,
		Task:       r.about.Task,

		OmittedText: r.policy.OmittedText,
		OnLength:    r.policy.OnLength,
	}
}

// input is called each time: a resume may have changed the executor.
func (q *replyRequest) input() any {
	q.in.Executor, q.in.State, q.in.LimitBytes = q.agent.executor, q.agent.state, q.agent.limit
	return q.in
}

func (q *replyRequest) get(ctx workflow.Context, f workflow.Future) (*handover, error) {
	before := failedAttempts(q.in.Resume)
	q.out = activities.ReplyResult{}
	err := f.Get(ctx, &q.out)
	q.in.Resume = q.out.Resume
	if err == nil {
		q.steps.lag = q.out.Lag
		q.turnTime.call(q.out.TookMS)
	}
	q.resets.mayHaveAsked = false
	return handedOver(q.out.HandedOver, q.out.Wait, failedAttempts(q.out.Resume)-before), err
}

func (q *replyRequest) recover(f failure) recovery {
	switch {
	case f.kind == conversation.ContextTooLong && f.sent != nil:
		if q.shrink(*f.sent) == retry {
			return retry
		}
		return q.endContinuing()
	case f.kind == conversation.ContextTooLong && q.in.Window == 0 && q.transcript.Next > 2:
		q.in.Window = q.transcript.Next / 2
		return retry
	case f.kind == conversation.Refused && q.policy.RefusalText != "":
		q.refused = true
		return resolved
	}
	return none
}

// shrink has the executor asked with less after a request that did not fit, unless there
// is nothing left to leave out. The bound is kept for the rest of the conversation. Each
// one is at most half of what was sent, so that there are few.
func (q *replyRequest) shrink(sent activities.SentMessages) recovery {
	fitted := q.agent.limit > 0
	switch {
	case sent.Continued && !q.in.Anew && fitted:
		// As much has fitted before: it is the executor's own record that is too long.
	case sent.Least && sent.Continued && !q.in.Anew:
	case sent.Least || sent.Bytes < 2:
		return none
	default:
		q.agent.limit, q.shrunk = sent.Bytes/2, true
	}
	q.in.Anew = true
	return retry
}

// fitted is the bound for the requests after this one. After a request that had to shrink
// it is what has fitted, so that the next is not refused again, but not much less than what
// was tried: a long message before it may just have been left out.
func (q *replyRequest) fitted() int {
	limit := q.in.LimitBytes
	if q.shrunk && q.out.Sent != nil {
		return min(limit, max(q.out.Sent.Bytes, limit/2))
	}
	return limit
}

// resumed has the executor asked with everything again after an operator has seen to it
// that more fits.
func (q *replyRequest) resumed(f failure) {
	if f.kind == conversation.ContextTooLong {
		q.agent.limit = 0
	}
}

func failedAttempts(p *activities.ReplyProgress) int {
	if p == nil {
		return 0
	}
	return p.Failed
}
