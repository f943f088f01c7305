package workflows

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// maxTakeoverText bounds what a person may answer, well below what Temporal takes
// in one payload.
const maxTakeoverText = 256 << 10

// maxQueryBytes bounds one answer to the transcript query, as JSON: in one payload
// fit 2 MiB, and a single message may be as large as half of that.
const maxQueryBytes = 1 << 20

// listen makes the conversation answer queries and updates.
func (t *talk) listen(ctx workflow.Context) error {
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, QueryTranscript, t.transcript,
			workflow.QueryHandlerOptions{Description: "The conversation's messages. Optional argument: {\"from\": index}."}),
		workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return t.status(), nil },
			workflow.QueryHandlerOptions{Description: "What the conversation is doing, its counts and, once it is over, its outcome."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateEnd, t.onEnd, workflow.UpdateHandlerOptions{
			Validator: t.mayEnd, Description: "Ends the conversation on its platform, now."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, t.onPause, workflow.UpdateHandlerOptions{
			Validator: t.mayPause, Description: "Holds the conversation before its next turn."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, t.onResume, workflow.UpdateHandlerOptions{
			Validator: t.mayResume, Description: "Goes on with a paused conversation, or tries again what made it need attention."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateTakeover, t.onTakeover, workflow.UpdateHandlerOptions{
			Validator: t.mayTakeover, Description: "Answers the next turn instead of the executor."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateApprove, t.onApprove, workflow.UpdateHandlerOptions{
			Validator: t.mayApprove, Description: "Approves or refuses a tool call that waits for it."}),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateSend, t.onSend, workflow.UpdateHandlerOptions{
			Validator: t.maySend, Description: "Says something in a direct conversation and waits for the agent's reply."}),
	)
}

func (t *talk) over() error {
	switch {
	case t.outcome != nil:
		return fmt.Errorf("the conversation is over: %s", t.outcome)
	case t.end != nil || t.stateNow == StateEnding:
		return errors.New("the conversation is being ended")
	}
	return nil
}

func (t *talk) mayEnd(workflow.Context, EndRequest) error { return t.over() }

func (t *talk) onEnd(_ workflow.Context, req EndRequest) (Status, error) {
	t.end = &req
	return t.status(), nil
}

func (t *talk) mayPause(workflow.Context, PauseRequest) error {
	if err := t.over(); err != nil {
		return err
	}
	if t.paused != nil {
		return errors.New("the conversation is paused already")
	}
	return nil
}

func (t *talk) onPause(ctx workflow.Context, req PauseRequest) (Status, error) {
	t.paused = &Attention{Since: workflow.Now(ctx).UTC(), Reason: join("paused", req.Reason)}
	t.show(ctx)
	return t.status(), nil
}

func (t *talk) mayResume(workflow.Context, ResumeRequest) error {
	if err := t.over(); err != nil {
		return err
	}
	if t.paused == nil && t.attention == nil {
		return errors.New("the conversation is going on: there is nothing to resume")
	}
	return nil
}

func (t *talk) onResume(_ workflow.Context, req ResumeRequest) (Status, error) {
	if req.Executor != "" && req.Executor != t.executor {
		// The other executor's state would mean nothing to it.
		t.executor, t.state = req.Executor, nil
		t.unseen, t.digest = len(t.messages), ""
	}
	t.paused, t.attention = nil, nil
	return t.status(), nil
}

func (t *talk) mayTakeover(_ workflow.Context, req TakeoverRequest) error {
	if err := t.over(); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(req.Text) == "" && !req.End:
		return errors.New("a takeover needs a text")
	case len(req.Text) > maxTakeoverText:
		return fmt.Errorf("the text has %d KiB; at most %d are possible", len(req.Text)>>10, maxTakeoverText>>10)
	case t.takeover != nil:
		return errors.New("somebody has answered the next turn already")
	case t.attention != nil && t.sending:
		return errors.New("the agent's message of this turn may have been sent already: resume or end the conversation")
	case !t.claimed:
		return errors.New("the conversation is not claimed yet: try again in a moment")
	}
	return nil
}

func (t *talk) onTakeover(_ workflow.Context, req TakeoverRequest) (Status, error) {
	t.takeover = &req
	t.paused, t.attention = nil, nil
	return t.status(), nil
}

func (t *talk) status() Status {
	s := Status{
		Ref: t.in.Ref, State: t.stateNow, Step: t.step, Turn: t.turn, Messages: t.count,
		Persona: t.about.Persona, Executor: t.executor, Model: t.model, Usage: t.usage,
		Started: t.started, Attention: t.attention, Outcome: t.outcome, Approvals: t.waitingApprovals(),
		Queued: t.direct.waiting(), Task: t.task.outcome(), Retrying: t.steps.retrying(),
	}
	if s.Attention == nil {
		s.Attention = t.paused
	}
	return s
}

func (t *talk) transcript(q TranscriptQuery) (Transcript, error) {
	held := t.total() - len(t.messages) // index of the first message held
	from := max(q.From, held)
	out := Transcript{First: from, Total: t.total(), Messages: []conversation.Message{}}
	size := 0
	for _, m := range t.messages[min(from-held, len(t.messages)):] {
		if size += m.RecordedSize(); size > maxQueryBytes && len(out.Messages) > 0 {
			break
		}
		out.Messages = append(out.Messages, m)
	}
	return out, nil
}
