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
			fmt.Fprintf(&b, ": %s", plain(t.outcome.Detail, 2*shownRunes))
		}
		b.WriteString("\n\n")
	case t.attention != nil:
		t.writeAttention(&b)
	case t.paused != nil:
		fmt.Fprintf(&b, "**paused** since %s\n\n", t.paused.Since.Format("2006-01-02 15:04:05 UTC"))
	default:
		fmt.Fprintf(&b, "**%s** · %s\n\n", t.stateNow, plain(t.step, shownRunes))
	}
	for _, r := range t.steps.retrying() {
		fmt.Fprintf(&b, "**tries again**: %s, %s\n\n", plain(r.Step, shownRunes), plain(r.String(), 2*shownRunes))
	}
	if p := t.about.Persona; p.Summary != "" {
		fmt.Fprintf(&b, "Persona: %s", plain(p.Summary, 200))
		if p.Purpose != "" {
			fmt.Fprintf(&b, " — %s", plain(p.Purpose, 200))
		}
		b.WriteString("\n\n")
	}
	for _, a := range t.waitingApprovals() {
		fmt.Fprintf(&b, "**needs approval** until %s: %s with %s (call %s)\n\n",
			a.Until.Format("2006-01-02 15:04:05 UTC"), plain(a.Tool, 200), plain(string(a.Arguments), shownRunes), plain(a.CallID, 200))
	}
	fmt.Fprintf(&b, "%d turns · %d messages", t.turn, t.count)
	if t.about.MaxMessages > 0 {
		fmt.Fprintf(&b, " of at most %d", t.about.MaxMessages)
	}
	if t.executor != "" {
		fmt.Fprintf(&b, " · executor %s", plain(t.executor, 200))
	}
	if t.model != "" && t.model != t.executor {
		fmt.Fprintf(&b, " (%s)", plain(t.model, 200))
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
			fmt.Fprintf(&b, "**%s**: %s\n\n", speaker(m.Role), plain(text, shownRunes))
		}
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil:
				fmt.Fprintf(&b, "**agent** calls %s with %s\n\n", plain(p.ToolCall.Name, 200), plain(string(p.ToolCall.Arguments), shownRunes))
			case p.ToolResult != nil:
				fmt.Fprintf(&b, "**tool**: %s\n\n", plain(p.ToolResult.Content, shownRunes))
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

func (t *talk) writeAttention(b *strings.Builder) {
	a := t.attention
	fmt.Fprintf(b, "**needs attention** since %s at %s: %s\n\n", a.Since.Format("2006-01-02 15:04:05 UTC"),
		plain(a.Step, shownRunes), plain(a.Reason, 2*shownRunes))
	if a.Remedy != "" {
		fmt.Fprintf(b, "> %s\n\n", plain(a.Remedy, 2*shownRunes))
	}
	fmt.Fprintf(b, "%s\n\n", capital(a.Choices()))
	if !a.NextCheck.IsZero() {
		fmt.Fprintf(b, "It finds out by itself whether it can go on, next at %s\n\n", a.NextCheck.Format("15:04:05 UTC"))
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// plain cuts a text of others to at most limit runes and makes Markdown of it that
// shows it as it is: on one line, with nothing that formats, folds or leaves its place.
func plain(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return markdown.Replace(text)
}

// markdown escapes what Markdown and the HTML in it give a meaning.
var markdown = func() *strings.Replacer {
	pairs := []string{"<", "&lt;", ">", "&gt;", "&", "&amp;"}
	for _, c := range "\\`*_[]#|~" {
		pairs = append(pairs, string(c), `\`+string(c))
	}
	return strings.NewReplacer(pairs...)
}()
