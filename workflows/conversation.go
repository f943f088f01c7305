package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// ErrTypeFailed is the type of the error with which the workflow of a
// conversation that had to be given up fails. Its details are the Outcome.
const ErrTypeFailed = "ConversationFailed"

// Conversation runs one conversation from claim to outcome.
func Conversation(ctx workflow.Context, in ConversationInput) (conversation.Outcome, error) {
	t := newTalk(ctx, in)
	if err := t.listen(ctx); err != nil {
		return conversation.Outcome{}, err
	}
	t.followAttempts(ctx)
	t.followCapacity(ctx)
	t.followInbox(ctx)
	t.show(ctx)
	verdict, err := t.converse(ctx)
	var again *workflow.ContinueAsNewError
	if errors.As(err, &again) {
		drainAttempts(ctx)
		return conversation.Outcome{}, err
	}
	return t.close(ctx, verdict, err)
}

// A verdict is how the conversation is to end.
type verdict struct {
	kind   conversation.OutcomeKind
	by     conversation.EndedBy
	detail string
	// cause is of which kind the failure is, if it is known.
	cause conversation.Kind
	// tell means that the platform does not know yet.
	tell bool
}

// converse does everything up to the end. An error means cancellation, or that
// the workflow continues as new.
func (t *talk) converse(ctx workflow.Context) (verdict, error) {
	if t.in.Carried == nil {
		if v, err := t.begin(ctx); v != nil || err != nil {
			return deref(v), err
		}
	}
	for {
		if t.stale != nil {
			if v, err := t.reconcile(ctx); v != nil || err != nil {
				return deref(v), err
			}
			continue
		}
		if t.about.Task != nil {
			if v, err := t.perform(ctx); v != nil || err != nil {
				return deref(v), err
			}
			continue
		}
		if err := t.rollOver(ctx); err != nil {
			return verdict{}, err
		}
		if v, err := t.gate(ctx); v != nil || err != nil {
			return deref(v), err
		}
		v, err := t.turnAround(ctx)
		if v != nil || err != nil {
			return deref(v), err
		}
	}
}

func deref(v *verdict) verdict {
	if v == nil {
		return verdict{}
	}
	return *v
}

// begin claims the conversation and learns about it.
func (t *talk) begin(ctx workflow.Context) (*verdict, error) {
	if t.in.Given != nil {
		t.claimed = true
		t.open(ctx, *t.in.Given)
		return nil, nil
	}
	if err := t.enterCapacity(ctx); err != nil {
		return nil, err
	}
	if v := t.overdue(ctx); v != nil {
		return v, nil
	}
	if !t.in.Adopt {
		if done, lost, err := t.claim(ctx); !done {
			return lost, err
		}
	}
	t.claimed = true
	return t.learn(ctx)
}

// claim takes the conversation. done is false if it is not ours, or not yet.
func (t *talk) claim(ctx workflow.Context) (done bool, v *verdict, err error) {
	in := activities.ClaimInput{Ref: t.in.Ref, Adopt: t.in.TakeOver, Run: t.run}
	var out activities.ClaimResult
	done, v, err = t.attempt(ctx, step{
		name: stepClaim, options: activities.ClaimOptions(t.policy), activity: activities.ClaimName,
		input:       func() any { return in },
		interrupted: t.interrupted,
		get: func(f workflow.Future) (*redo, error) {
			out = activities.ClaimResult{}
			err := f.Get(ctx, &out)
			tried := in.Tried
			in.Tried = out.Tried
			if err != nil {
				// It may have landed: the next attempt must know its own claim from a rival's.
				in.Tried = triedAgain(ctx, err, tried)
			}
			t.claimTried = in.Tried
			t.unclear = err != nil && failureOf(err).mayHaveClaimed() || out.HandedOver && out.Tried != nil
			if out.Receipt != nil {
				// Whatever is wanted by now, it is ours, and to be reported.
				t.task, t.claimed = &taskRun{receipt: *out.Receipt}, true
			}
			return redoIf(out.HandedOver, 0, out.Tries), err
		},
	})
	if done && !out.Claimed {
		return false, &verdict{kind: conversation.OutcomeClaimLost, detail: out.Detail}, nil
	}
	return done, v, err
}

// learn reads what the platform knows, and takes it as the state of the conversation.
func (t *talk) learn(ctx workflow.Context) (*verdict, error) {
	out, done, v, err := t.readContext(ctx)
	if !done {
		return v, err
	}
	reset := out.RunID != t.run
	if reset && out.Context.Task == nil {
		if out, done, v, err = t.settled(ctx, out); !done {
			return v, err
		}
	}
	v, err = t.takeContext(ctx, out)
	if reset {
		// To before this was read: what the platform holds has just been taken in.
		t.afterReset = true
		if v != nil {
			v.detail = join("the workflow was reset", v.detail)
		} else if t.task != nil {
			t.task.note = noteReset
		}
	}
	if v != nil || err != nil {
		return v, err
	}
	t.setState(ctx, StateTalking)
	return nil, nil
}

func (t *talk) readContext(ctx workflow.Context) (out activities.ContextResult, done bool, v *verdict, err error) {
	done, v, err = t.attempt(ctx, step{
		name: stepContext, options: activities.ContextOptions(t.policy), activity: activities.ContextName,
		input:       func() any { return t.contextInput() },
		interrupted: t.interrupted,
		get: func(f workflow.Future) (*redo, error) {
			out = activities.ContextResult{}
			err := f.Get(ctx, &out)
			return redoIf(out.HandedOver, 0, out.Tries), err
		},
	})
	return out, done, v, err
}

func (t *talk) takeContext(ctx workflow.Context, out activities.ContextResult) (*verdict, error) {
	t.run = out.RunID
	t.know(out.Context, out.Messages, out.Count, out.Turns)
	if v, err := t.found(ctx, stepContext, out.Park); v != nil || err != nil {
		return v, err
	}
	if out.Fault != "" {
		t.messages, t.count, t.unseen = nil, 0, 0 // what it says is not known
		t.task.stop = &verdict{kind: conversation.OutcomeFailed, detail: out.Fault, cause: conversation.Invalid}
	}
	if out.State == activities.StateEnded {
		if t.task != nil {
			t.task.withdrawn = true // while it was claimed
		}
		return &verdict{kind: conversation.OutcomeEnded, by: out.EndedBy, detail: out.EndDetail}, nil
	}
	return nil, nil
}

func (t *talk) contextInput() activities.ContextInput {
	return activities.ContextInput{
		Ref: t.in.Ref, CarryBytes: t.policy.CarryBytes, MaxMessageBytes: t.policy.MaxMessageBytes, OnOversize: t.policy.OnOversize,
	}
}

// open begins a conversation that is known beforehand.
func (t *talk) open(ctx workflow.Context, given Given) {
	turns := 0
	for _, m := range given.Messages {
		if m.Role == conversation.RoleAssistant {
			turns++
		}
	}
	t.know(given.Context, given.Messages, len(given.Messages), turns)
	t.happened(ctx, conversation.EventStarted, "")
	t.setState(ctx, StateTalking)
}

// know takes in a conversation as it stands: its newest messages, how many there are in
// all, and how many of all are the agent's. The executor has seen none of them.
func (t *talk) know(about conversation.Context, messages []conversation.Message, count, turns int) {
	if about.Task != nil && len(messages) == 0 {
		messages, count = []conversation.Message{about.Task.Message()}, 1
	}
	t.about = about
	t.messages, t.count, t.unseen, t.internal, t.digest = messages, count, len(messages), 0, ""
	t.turn, t.spoken = turns, turns > 0
	if about.Task == nil {
		t.choose(about)
		return
	}
	if t.task == nil {
		t.task = &taskRun{}
	}
	if err := t.chooseRun(*about.Task); err != nil {
		t.task.stop = &verdict{kind: conversation.OutcomeFailed, detail: err.Error(), cause: conversation.Invalid}
	}
}

// gate holds the conversation back while it is paused and ends it when its time
// is over or somebody wants it to.
func (t *talk) gate(ctx workflow.Context) (*verdict, error) {
	if t.paused != nil {
		t.setState(ctx, StatePaused)
		t.leaveCapacity(ctx, true)
		if err := t.waitForPeople(ctx, func() bool { return t.paused == nil || t.endWanted() }); err != nil {
			return nil, err
		}
	}
	if err := t.enterCapacity(ctx); err != nil {
		return nil, err
	}
	if t.stateNow == StatePaused && !t.endWanted() {
		t.setState(ctx, StateTalking)
	}
	return t.overdue(ctx), nil
}

// overdue is the verdict if the conversation should not go on, else nil.
func (t *talk) overdue(ctx workflow.Context) *verdict {
	switch {
	case t.task.stopped() != nil:
		return t.task.stopped()
	case t.end != nil:
		return &verdict{kind: conversation.OutcomeEnded, by: conversation.EndedByOperator, detail: t.end.Reason, tell: t.claimed}
	case t.expired(ctx):
		return &verdict{kind: conversation.OutcomeExpired, detail: "the platform gave it up at " + t.about.Expires.UTC().Format("2006-01-02 15:04:05 UTC"), tell: true}
	default:
		return nil
	}
}

func (t *talk) expired(ctx workflow.Context) bool {
	return !t.about.Expires.IsZero() && !workflow.Now(ctx).Before(t.about.Expires)
}

// turnAround is one turn: the agent's reply and what comes back for it. Where the
// other side is to speak first, or owes an answer, it is asked without a reply.
func (t *talk) turnAround(ctx workflow.Context) (*verdict, error) {
	if t.othersTurn() {
		if t.direct != nil {
			return t.hear(ctx)
		}
		return t.exchange(ctx, nil, false)
	}
	message, end, v, err := t.reply(ctx)
	switch {
	case v != nil || err != nil || t.interrupted():
		return v, err
	case message.PlainText() == "" && end && t.direct == nil:
		return &verdict{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent, tell: true}, nil
	}
	t.turn++
	turn := t.turn
	if t.direct != nil {
		v = t.say(message, end)
	} else {
		v, err = t.exchange(ctx, []conversation.Message{message}, end)
	}
	if err == nil && t.turn == turn { // it got through
		t.happened(ctx, conversation.EventReplied, "")
	}
	if v != nil || err != nil {
		return v, err
	}
	if t.policy.MaxTurns > 0 && t.turn >= t.policy.MaxTurns {
		return &verdict{
			kind: conversation.OutcomeBudgetSpent, tell: true,
			detail: fmt.Sprintf("it has had the %d turns that max_turns allows", t.policy.MaxTurns),
		}, nil
	}
	return nil, nil
}

// othersTurn: nobody has spoken and the agent does not open, or the agent spoke
// last.
func (t *talk) othersTurn() bool {
	if len(t.messages) == 0 {
		return !t.about.AgentFirst
	}
	return t.messages[len(t.messages)-1].Role == conversation.RoleAssistant
}

// exchange sends the agent's messages and takes in what comes back.
func (t *talk) exchange(ctx workflow.Context, messages []conversation.Message, end bool) (*verdict, error) {
	in := activities.ExchangeInput{
		Ref: t.in.Ref, Turn: t.turn, Before: t.count, Messages: messages, Run: t.run, Anew: t.anew, Spoken: t.spoken, Slowest: t.slowest,
		Timeout: t.policy.ExchangeTimeout, Attempts: t.policy.PlatformAttempts, OnAmbiguous: t.policy.OnAmbiguous,
		MaxMessageBytes: t.policy.MaxMessageBytes, OnOversize: t.policy.OnOversize,
	}
	var out activities.ExchangeResult
	name := fmt.Sprintf("turn %d"+stepExchange, t.turn)
	if messages == nil {
		name = stepOpening
	}
	get := func(f workflow.Future) (*redo, error) {
		tried, before := in.Tried, sends(in.Tried)
		out = activities.ExchangeResult{}
		err := f.Get(ctx, &out)
		in.Tried = out.Tried
		if err != nil {
			in.Tried = triedAgain(ctx, err, tried)
		}
		t.slowest = max(t.slowest, out.Slowest)
		in.Slowest = t.slowest
		if err != nil || sends(in.Tried) > before {
			in.Resend = false // a person has allowed one
		}
		return redoIf(out.HandedOver, 0, out.Tries), err
	}
	t.sending = true
	done, v, err := t.attempt(ctx, step{
		name: name, options: activities.ExchangeOptions(t.policy), activity: activities.ExchangeName,
		input:       func() any { return in },
		interrupted: t.interrupted,
		get:         get,
		look: func(ctx workflow.Context) (bool, *failure) {
			look := in
			look.LookOnly = true
			ok, f := t.lookOnly(ctx, name, look, &out)
			return ok, f
		},
		resumed: func(f failure) { in.Resend = f.kind == conversation.Ambiguous },
	})
	t.sending = false
	if !done {
		if messages != nil {
			t.turn-- // not known to have arrived: the platform's count is read in the end
		}
		return v, err
	}
	t.slowest, t.lag = max(t.slowest, out.Slowest), out.Lag
	t.spoken = t.spoken || out.Taken > 0
	t.take(messages[:min(out.Taken, len(messages))], out)
	if out.Park != nil && out.Ended {
		out.EndDetail, out.Park = join(out.EndDetail, out.Park.Reason), nil
	}
	if v, err := t.found(ctx, name, out.Park); v != nil || err != nil || t.stale != nil {
		return v, err
	}
	switch {
	case out.Ended && out.Taken < len(messages):
		t.turn--
		fallthrough
	case out.Ended:
		return &verdict{kind: conversation.OutcomeEnded, by: out.EndedBy, detail: out.EndDetail}, nil
	case end:
		return &verdict{kind: conversation.OutcomeEnded, by: conversation.EndedByAgent, tell: true}, nil
	}
	return nil, nil
}

// found parks the conversation for something that is wrong with a result which counts
// all the same. It goes on when somebody resumes it.
func (t *talk) found(ctx workflow.Context, step string, park *activities.Finding) (*verdict, error) {
	if park == nil {
		return nil, nil
	}
	return t.trouble(ctx, step, failure{kind: park.Kind, reason: park.Reason, remedy: park.Remedy}, t.interrupted)
}

// take adds what an exchange brought to the transcript.
func (t *talk) take(sent []conversation.Message, out activities.ExchangeResult) {
	for _, m := range sent {
		t.messages = append(t.messages, m)
		if t.byOperator {
			t.unseen++
			continue
		}
		// The executor's own belongs to what it has seen.
		t.digest = activities.Digest(t.digest, m)
	}
	t.messages = append(t.messages, out.Messages...)
	t.unseen += len(out.Messages)
	t.count = out.Count
}

// interrupted says that a step is not to be waited for: the conversation is to end, or
// to be read anew.
func (t *talk) interrupted() bool { return t.endWanted() || t.stale != nil }

func (t *talk) endWanted() bool { return t.end != nil || t.task.stopped() != nil }

// close tells the platform if it has to be told, and gives the outcome. A
// cancelled workflow does so too, in a context of its own.
func (t *talk) close(ctx workflow.Context, v verdict, cause error) (conversation.Outcome, error) {
	cancelled := cause != nil && (temporal.IsCanceledError(cause) || ctx.Err() != nil)
	if cause != nil && !cancelled {
		return conversation.Outcome{}, cause
	}
	if cancelled {
		v = verdict{kind: conversation.OutcomeCancelled, by: conversation.EndedByOperator, tell: t.claimed}
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	t.setState(ctx, StateEnding)
	t.lookBack(ctx, &v)
	switch {
	case t.task != nil:
		t.report(ctx, v)
		v.detail = join(v.detail, t.task.note)
	case v.tell && t.direct == nil:
		t.tellPlatform(ctx, &v)
	}
	t.outcome = &conversation.Outcome{
		Kind: v.kind, EndedBy: v.by, Detail: v.detail,
		Turns: t.turn, Messages: t.count, Usage: t.usage,
		Started: t.started, Duration: workflow.Now(ctx).Sub(t.started), Task: t.task.outcome(),
	}
	t.step, t.stateNow = "", StateClosed
	if err := t.upsertOutcome(ctx); err != nil {
		return conversation.Outcome{}, err
	}
	t.show(ctx)
	drainAttempts(ctx)
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"outcome": string(v.kind)}).Counter("parley_conversations_closed").Inc(1)
	t.happened(ctx, conversation.EventEnded, "")
	t.leaveCapacity(ctx, false)
	// An update that was accepted must get its answer.
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && t.told() }); err != nil {
		return conversation.Outcome{}, err
	}
	switch {
	case cancelled:
		return *t.outcome, cause
	case v.kind == conversation.OutcomeFailed:
		return *t.outcome, temporal.NewApplicationErrorWithOptions(v.detail, ErrTypeFailed,
			temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{*t.outcome}})
	}
	return *t.outcome, nil
}

// tellPlatform ends the conversation there. If that fails for good, the outcome
// says so: nobody else will end it.
func (t *talk) tellPlatform(ctx workflow.Context, v *verdict) {
	var out activities.EndResult
	end := func() error {
		return t.do(ctx, "end", activities.EndOptions(t.policy), activities.EndName,
			func(int) any { return activities.EndInput{Ref: t.in.Ref, Run: t.run} },
			func(f workflow.Future) (bool, int, error) {
				out = activities.EndResult{}
				err := f.Get(ctx, &out)
				return out.HandedOver, out.Tries, err
			})
	}
	err := end()
	if err != nil && failureOf(err).kind == conversation.Reset {
		// Ending what has ended is no harm.
		t.run = failureOf(err).runID
		err = end()
	}
	if err != nil {
		v.detail = join(v.detail, "it could not be ended on the platform: "+failureOf(err).String())
		return
	}
	t.turn = max(t.turn, out.Turns)
	t.count = max(t.count, out.Count)
	// It may have ended there before we wanted it to.
	if v.kind == conversation.OutcomeEnded && out.EndedBy != "" && out.EndedBy != conversation.EndedByAgent {
		v.by, v.detail = out.EndedBy, join(v.detail, out.EndDetail)
	}
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "; " + b
}
