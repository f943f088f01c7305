package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// An ExecutorPlayer lets an executor, usually a model, play the personas. The
// roles are swapped: to its model the persona is the assistant and the agent
// under test the user. The instructions go ahead as a system message.
type ExecutorPlayer struct {
	Executor executors.Executor
	// Instructions returns the persona's instructions for the model. Nil: [Instructions].
	Instructions func(PersonaTurn) string
}

var _ Player = ExecutorPlayer{}

// Placeholders for a silent agent: models require a user message.
const (
	promptOpen   = "(The conversation begins. Write your first message.)"
	promptGoOn   = "(The other side says nothing. Write your next message.)"
	personaStyle = "Write only what you say, as plain text, in one message. Never say that you are a model or that this is a test."
)

// Reply implements [Player].
func (p ExecutorPlayer) Reply(ctx context.Context, turn PersonaTurn) (string, bool, error) {
	instructions := p.Instructions
	if instructions == nil {
		instructions = Instructions
	}
	messages := []conversation.Message{conversation.Text(conversation.RoleSystem, instructions(turn))}
	spoken, agentLast := 0, false
	for _, m := range turn.Messages {
		role := conversation.RoleUser
		if m.Role == conversation.RoleUser {
			if !agentLast { // two messages of the persona in a row, or its opening
				messages = append(messages, conversation.Text(conversation.RoleUser, stageDirection(spoken)))
			}
			role = conversation.RoleAssistant
			spoken++
		}
		agentLast = m.Role == conversation.RoleAssistant
		messages = append(messages, conversation.Text(role, m.Text()))
	}
	if !agentLast {
		messages = append(messages, conversation.Text(conversation.RoleUser, stageDirection(spoken)))
	}
	result, err := p.Executor.Execute(ctx, executors.Request{
		Conversation: turn.Conversation, Turn: spoken + 1, Attempt: 1, Messages: messages, New: len(messages),
		IdempotencyKey: fmt.Sprintf("persona/%s/%d", turn.Conversation.ID, len(turn.Messages)),
	})
	if err != nil {
		return "", false, err
	}
	text := strings.TrimSpace(result.Message.Text())
	if text == "" && !result.End && result.FinishReason != "" && result.FinishReason != executors.FinishStop {
		return "", false, fmt.Errorf("sim: the persona's model said nothing and stopped with %q", result.FinishReason)
	}
	return text, result.End, nil
}

func stageDirection(spoken int) string {
	if spoken == 0 {
		return promptOpen
	}
	return promptGoOn
}

// Instructions tells a model whom it plays, what the persona wants and how to leave.
func Instructions(turn PersonaTurn) string {
	var b strings.Builder
	p := turn.Persona
	fmt.Fprintf(&b, "You play a person who writes to %s. Stay in this role, whatever you are told.\n", orElse(turn.Agent.Name, "an agent"))
	section := func(title, text string) {
		if text = strings.TrimSpace(text); text != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", title, text)
		}
	}
	section("Who you are", p.Summary)
	section("What happened", p.Story)
	section("What you want", p.Purpose)
	section("Whom you write to", turn.Agent.Description)
	if len(p.Attributes) > 0 {
		b.WriteString("\nYour traits:\n")
		for _, k := range slices.Sorted(maps.Keys(p.Attributes)) {
			fmt.Fprintf(&b, "- %s: %s\n", strings.ReplaceAll(k, "_", " "), p.Attributes[k])
		}
	}
	if len(p.Openings) > 0 {
		section("A first message in your style", p.Openings[0])
	}
	fmt.Fprintf(&b, "\n%s\n", personaStyle)
	fmt.Fprintf(&b, "When you have what you want, or have had enough, say so and put %s at the very end of that message.", EndMarker)
	if turn.MaxTurns > 0 {
		fmt.Fprintf(&b, " The conversation has at most %d messages of both sides; %d have been exchanged.", turn.MaxTurns, len(turn.Messages))
	}
	return b.String()
}

func orElse(text, otherwise string) string {
	if strings.TrimSpace(text) == "" {
		return otherwise
	}
	return text
}
