package workflows

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// maxTakeoverText bounds what an operator may answer, well below what Temporal takes
// in one payload.
const maxTakeoverText = 256 << 10

// maxTakeoverRecorded bounds the same text as JSON, which writes some characters with six.
const maxTakeoverRecorded = 2 * maxTakeoverText

// Bounds on what goes with a request of an operator: it is recorded, shown, and for the
// model.
const (
	maxOperatorName   = 200
	maxDecisionReason = 8 << 10
)

// mayDecide refuses an operator's name or reason that cannot be recorded and shown.
func mayDecide(by, reason string) error {
	switch {
	case !printable.IsName(by, maxOperatorName):
		return fmt.Errorf("the operator's name cannot be shown, or has more than %d bytes", maxOperatorName)
	case len(reason) > maxDecisionReason:
		return fmt.Errorf("the reason has %d bytes; at most %d are possible", len(reason), maxDecisionReason)
	}
	return nil
}

// byOperator adds the operator's name, where it is known.
func byOperator(what, by string) string {
	if by == "" {
		return what
	}
	return strings.TrimSpace(what + " by " + by)
}

// wishes are what operators want of the conversation.
type wishes struct {
	paused   *Attention
	takeover *TakeoverRequest
	end      *EndRequest
	// newReply means that the reply that the platform does not take is asked for anew.
	newReply bool
}

// dropRepeated drops an operator's answer that the platform holds already: Temporal
// applies the updates of a run that was reset once more.
func (w *wishes) dropRepeated(held []conversation.Message) {
	if w.takeover == nil {
		return
	}
	for _, m := range held {
		if m.Role == conversation.RoleAssistant && m.Text() == w.takeover.Text {
			w.takeover = nil
			return
		}
	}
}

// listen makes the conversation answer queries and updates.
func (r *run) listen(ctx workflow.Context) error {
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, QueryTranscript, func(q TranscriptQuery) (Transcript, error) { return r.transcript.page(q), nil },
			workflow.QueryHandlerOptions{Description: "The conversation's messages. Optional argument: {\"from\": index}."}),
		workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return r.status(), nil },
			workflow.QueryHandlerOptions{Description: "What the conversation is doing, its counts and, once it is over, its outcome."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateEnd, r.onEnd, workflow.UpdateHandlerOptions{
			Validator: r.mayEnd, Description: "Ends the conversation on its platform, now."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, r.onPause, workflow.UpdateHandlerOptions{
			Validator: r.mayPause, Description: "Holds the conversation before its next turn."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, r.onResume, workflow.UpdateHandlerOptions{
			Validator: r.validateResume, Description: "Goes on with a paused conversation, or retries what made it need attention."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateTakeover, r.onTakeover, workflow.UpdateHandlerOptions{
			Validator: r.mayTakeover, Description: "Answers the next turn instead of the executor."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateApprove, r.onApprove, workflow.UpdateHandlerOptions{
			Validator: r.mayApprove, Description: "Approves or refuses a tool call that waits for it."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateSend, r.handleSend, workflow.UpdateHandlerOptions{
			Validator: r.validateSend, Description: "Sends a message in a direct conversation and waits for the agent's reply."}),
	)
}

func (r *run) over() error {
	switch {
	case r.outcome != nil:
		return fmt.Errorf("the conversation is over: %s", r.outcome)
	case r.wishes.end != nil || r.state == StateEnding:
		return errors.New("the conversation is being ended")
	}
	return nil
}

func (r *run) mayEnd(_ workflow.Context, req EndRequest) error {
	if err := r.over(); err != nil {
		return err
	}
	return mayDecide(req.By, req.Reason)
}

func (r *run) onEnd(_ workflow.Context, req EndRequest) (Status, error) {
	r.wishes.end = &req
	return r.status(), nil
}

func (r *run) mayPause(_ workflow.Context, req PauseRequest) error {
	if err := r.over(); err != nil {
		return err
	}
	if r.wishes.paused != nil {
		return errors.New("the conversation is paused already")
	}
	return mayDecide(req.By, req.Reason)
}

func (r *run) onPause(ctx workflow.Context, req PauseRequest) (Status, error) {
	r.wishes.paused = &Attention{Since: workflow.Now(ctx).UTC(), Reason: join(byOperator("paused", req.By), req.Reason)}
	r.show(ctx)
	return r.status(), nil
}

func (r *run) mayResume(_ workflow.Context, req ResumeRequest) error {
	if err := r.over(); err != nil {
		return err
	}
	if r.wishes.paused == nil && r.attention == nil {
		return errors.New("the conversation is neither paused nor parked: there is nothing to resume")
	}
	if req.NewReply {
		if why := r.keepsReply(); why != "" {
			return errors.New(why)
		}
	}
	return mayDecide(req.By, "")
}

// validateResume refuses, too, what the history has no place for.
func (r *run) validateResume(ctx workflow.Context, req ResumeRequest) error {
	if err := r.mayResume(ctx, req); err != nil || r.attention == nil {
		return err
	}
	return mayContinueTurn(ctx)
}

func (r *run) onResume(_ workflow.Context, req ResumeRequest) (Status, error) {
	if req.Executor != "" && req.Executor != r.agent.executor {
		r.agent.use(req.Executor)
		r.transcript.unseeAll()
	}
	r.wishes.newReply = req.NewReply
	r.wishes.paused, r.attention = nil, nil
	r.steps.waits = 0
	return r.status(), nil
}

func (r *run) mayTakeover(_ workflow.Context, req TakeoverRequest) error {
	if err := r.over(); err != nil {
		return err
	}
	text, _ := conversation.CleanText(req.Text)
	switch {
	case strings.TrimSpace(text) == "" && !req.End:
		return errors.New("a takeover needs a text")
	case len(req.Text) > maxTakeoverText:
		return fmt.Errorf("the text has %d KiB; at most %d are possible", len(req.Text)>>10, maxTakeoverText>>10)
	case conversation.EscapedSize(req.Text) > maxTakeoverRecorded:
		return fmt.Errorf("the text has %d KiB as JSON; at most %d are possible", conversation.EscapedSize(req.Text)>>10, maxTakeoverRecorded>>10)
	case r.wishes.takeover != nil:
		return errors.New("an operator has answered the next turn already")
	case r.attention != nil && r.sending:
		return errors.New("the agent's message of this turn may have been sent already: resume or end the conversation")
	case !r.claim.held:
		return errors.New("the conversation is not claimed yet: try again in a moment")
	}
	return mayDecide(req.By, "")
}

func (r *run) onTakeover(_ workflow.Context, req TakeoverRequest) (Status, error) {
	r.wishes.takeover = &req
	r.wishes.paused, r.attention = nil, nil
	return r.status(), nil
}

func (r *run) status() Status {
	s := Status{
		Ref: r.in.Ref, State: r.state, Step: r.steps.now, Turn: r.transcript.turn(), Messages: r.transcript.Count(),
		Persona: r.about.Persona, Executor: r.agent.executor, Model: r.agent.model, Usage: r.usage.total,
		Started: r.started, Attention: r.attention, Outcome: r.outcome, Approvals: r.approvals.waiting(),
		Retrying: r.steps.retrying(),
	}
	r.side.describe(&s)
	if s.Attention == nil {
		s.Attention = r.wishes.paused
	}
	return s
}
