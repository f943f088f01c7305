package iiiengine

import (
	"context"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// publishTimeout bounds one attempt to publish an event.
const publishTimeout = 20 * time.Second

// A LifecycleEvent is the message of an event on the lifecycle topic. It may be published
// twice: WorkflowID, RunID and Number identify it.
type LifecycleEvent struct {
	Type            conversation.EventType `json:"type"`
	Number          int                    `json:"number"`
	ConversationID  string                 `json:"conversationId"`
	AgentID         string                 `json:"agentId"`
	WorkflowID      string                 `json:"workflowId"`
	RunID           string                 `json:"runId,omitempty"`
	PersonaFunction string                 `json:"personaFunction,omitempty"`
	Time            time.Time              `json:"time"`
	Turn            int                    `json:"turn"`
	Reason          string                 `json:"reason,omitempty"`
	Outcome         *LifecycleOutcome      `json:"outcome,omitempty"`
}

// A LifecycleOutcome is the outcome of a conversation that has ended.
type LifecycleOutcome struct {
	Kind     conversation.OutcomeKind `json:"kind"`
	EndedBy  conversation.EndedBy     `json:"endedBy,omitempty"`
	Detail   string                   `json:"detail,omitempty"`
	Turns    int                      `json:"turns"`
	Messages int                      `json:"messages"`
}

// Notify implements platforms.Listener. Each call publishes the event. That an engine
// cannot publish is no error: it is logged once.
func (p *Platform) Notify(ctx context.Context, e conversation.Event) error {
	if p.cfg.Lifecycle == "" {
		return nil
	}
	w, err := p.Worker()
	if err != nil {
		return err
	}
	event := LifecycleEvent{
		Type: e.Type, Number: e.Number, ConversationID: e.Conversation.ID, AgentID: e.Conversation.Agent,
		WorkflowID: e.Conversation.String(), RunID: e.Run, PersonaFunction: e.Conversation.Simulation, Time: e.Time, Turn: e.Turn, Reason: e.Reason,
	}
	if out := e.Outcome; out != nil {
		event.Outcome = &LifecycleOutcome{Kind: out.Kind, EndedBy: out.EndedBy, Detail: out.Detail, Turns: out.Turns, Messages: out.Messages}
	}
	err = w.Publish(ctx, p.cfg.Lifecycle, event, iii.Timeout(publishTimeout), iii.Permit(lease.Check))
	switch {
	case err == nil:
		p.unpublished.Store(false)
		return nil
	case iii.HasCode(err, iii.CodeFunctionNotFound), iii.HasCode(err, iii.CodeForbidden):
		// The engine lacks or forbids its own function. Retries would delay the end of
		// conversations, and an error for each event would repeat the first.
		if !p.unpublished.Swap(true) {
			p.logger().Warn("events of conversations are not published on the iii engine", "topic", p.cfg.Lifecycle, "error", err,
				"remedy", "load the engine's pub/sub and have its access rules expose publish, or set lifecycle: off")
		}
		return nil
	}
	return p.failed("iii: publish on "+p.cfg.Lifecycle, err)
}
