package iii

import (
	"context"
	"time"

	engine "github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
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
// call.
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
	err = w.Publish(ctx, p.cfg.Lifecycle, event, engine.Timeout(publishFor))
	op := "iii: publish on " + p.cfg.Lifecycle
	switch {
	case err == nil:
		return nil
	case engine.HasCode(err, engine.CodeFunctionNotFound):
		// It is the engine's own. To try again would keep conversations from their end.
		return &conversation.Error{
			Kind: conversation.Invalid, Op: op, Err: err,
			Remedy: "load the engine's pub/sub, or set lifecycle: off",
		}
	}
	return failed(op, err)
}
