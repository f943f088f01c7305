package iiiengine

import (
	"context"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
)

// publishFor bounds the publishing of one event; it is tried again.
const publishFor = 20 * time.Second

// A LifecycleEvent is what is published on the lifecycle topic. WorkflowID, RunID and
// Number together name it: it may be published again.
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

// A LifecycleOutcome says how a conversation has ended.
type LifecycleOutcome struct {
	Kind     conversation.OutcomeKind `json:"kind"`
	EndedBy  conversation.EndedBy     `json:"endedBy,omitempty"`
	Detail   string                   `json:"detail,omitempty"`
	Turns    int                      `json:"turns"`
	Messages int                      `json:"messages"`
}

// Notify implements platforms.Listener: the event is published once more with each
// call. An engine that cannot publish is told of once, in the log.
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
	err = w.Publish(ctx, p.cfg.Lifecycle, event, iii.Timeout(publishFor), iii.Permit(lease.Check))
	switch {
	case err == nil:
		p.untold.Store(false)
		return nil
	case iii.HasCode(err, iii.CodeFunctionNotFound), iii.HasCode(err, iii.CodeForbidden):
		// It is the engine's own function. Trying again would keep conversations from their
		// end, and an error for each event would tell nothing that the first does not.
		if !p.untold.Swap(true) {
			p.logger().Warn("events of conversations are not published on the iii engine", "topic", p.cfg.Lifecycle, "error", err,
				"remedy", "load the engine's pub/sub and have its access rules expose publish, or set lifecycle: off")
		}
		return nil
	}
	return p.failed("iii: publish on "+p.cfg.Lifecycle, err)
}
