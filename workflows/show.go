package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// How much of the transcript the Temporal UI shows. All of it is to be had from
// the transcript query.
const (
	shownMessages = 20
	shownRunes    = 600
)

// show puts what people want to know into the workflow's current details. It
// leaves nothing in history.
func (t *talk) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, t.details())
}

func (t *talk) details() string {
	var b strings.Builder
	switch {
	case t.outcome != nil:
		fmt.Fprintf(&b, "**%s**", t.outcome)
		if t.outcome.Detail != "" {
			fmt.Fprintf(&b, ": %s", t.outcome.Detail)
		}
		b.WriteString("\n\n")
	case t.attention != nil:
		fmt.Fprintf(&b, "**needs attention** since %s at %s: %s\n\n> %s\n\n", t.attention.Since.Format("2006-01-02 15:04:05 UTC"),
			t.attention.Step, t.attention.Reason, t.attention.Remedy)
	case t.paused != nil:
		fmt.Fprintf(&b, "**paused** since %s\n\n", t.paused.Since.Format("2006-01-02 15:04:05 UTC"))
	default:
		fmt.Fprintf(&b, "**%s** · %s\n\n", t.stateNow, t.step)
	}
	if p := t.about.Persona; p.Summary != "" {
		fmt.Fprintf(&b, "Persona: %s", oneLine(p.Summary, 200))
		if p.Purpose != "" {
			fmt.Fprintf(&b, " — %s", oneLine(p.Purpose, 200))
		}
		b.WriteString("\n\n")
	}
	for _, a := range t.waitingApprovals() {
		fmt.Fprintf(&b, "**needs approval** until %s: `%s` with %s (call `%s`)\n\n",
			a.Until.Format("2006-01-02 15:04:05 UTC"), a.Tool, oneLine(string(a.Arguments), shownRunes), a.CallID)
	}
	fmt.Fprintf(&b, "%d turns · %d messages", t.turn, t.count)
	if t.about.MaxMessages > 0 {
		fmt.Fprintf(&b, " of at most %d", t.about.MaxMessages)
	}
	if t.executor != "" {
		fmt.Fprintf(&b, " · executor %s", t.executor)
	}
	if t.model != "" && t.model != t.executor {
		fmt.Fprintf(&b, " (%s)", t.model)
	}
	if u := t.usage; u.InputTokens+u.OutputTokens > 0 {
		fmt.Fprintf(&b, " · %d → %d tokens", u.InputTokens, u.OutputTokens)
	}
	b.WriteString("\n\n")
	shown := t.messages[max(0, len(t.messages)-shownMessages):]
	if hidden := t.total() - len(shown); hidden > 0 {
		fmt.Fprintf(&b, "… %d earlier messages\n\n", hidden)
	}
	for _, m := range shown {
		if text := m.Text(); text != "" {
			fmt.Fprintf(&b, "**%s**: %s\n\n", speaker(m.Role), oneLine(text, shownRunes))
		}
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil:
				fmt.Fprintf(&b, "**agent** calls `%s` with %s\n\n", p.ToolCall.Name, oneLine(string(p.ToolCall.Arguments), shownRunes))
			case p.ToolResult != nil:
				fmt.Fprintf(&b, "**tool**: %s\n\n", oneLine(p.ToolResult.Content, shownRunes))
			}
		}
	}
	return b.String()
}

func speaker(r conversation.Role) string {
	switch r {
	case conversation.RoleUser:
		return "persona"
	case conversation.RoleAssistant:
		return "agent"
	default:
		return string(r)
	}
}

// oneLine cuts text to at most limit runes and takes its line breaks away, so that
// a message cannot break the page's Markdown.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit]) + "…"
}
