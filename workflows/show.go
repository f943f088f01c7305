package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// How much of the transcript the Temporal UI shows. All of it is to be had from
// the transcript query.
const (
	shownMessages = 20
	shownRunes    = 600
	// shownArguments is for what an operator decides on.
	shownArguments = 4000
)

// show puts what operators want to know into the workflow's current details. It leaves
// nothing in history.
func (r *run) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, r.details())
}

func (r *run) details() string {
	var b strings.Builder
	switch {
	case r.outcome != nil:
		fmt.Fprintf(&b, "**%s**", r.outcome)
		if r.outcome.Detail != "" {
			fmt.Fprintf(&b, ": %s", plain(r.outcome.Detail, 2*shownRunes))
		}
		b.WriteString("\n\n")
	case r.attention != nil:
		r.writeAttention(&b)
	case r.wishes.paused != nil:
		fmt.Fprintf(&b, "**paused** since %s\n\n", r.wishes.paused.Since.Format("2006-01-02 15:04:05 UTC"))
	default:
		fmt.Fprintf(&b, "**%s** · %s\n\n", r.state, plain(r.steps.now, shownRunes))
	}
	for _, s := range r.steps.retrying() {
		fmt.Fprintf(&b, "**retries**: %s, %s\n\n", plain(s.Step, shownRunes), plain(s.String(), 2*shownRunes))
	}
	if p := r.about.Persona; p.Summary != "" {
		fmt.Fprintf(&b, "Persona: %s", plain(p.Summary, 200))
		if p.Purpose != "" {
			fmt.Fprintf(&b, " — %s", plain(p.Purpose, 200))
		}
		b.WriteString("\n\n")
	}
	for _, a := range r.approvals.waiting() {
		writeApproval(&b, a)
	}
	fmt.Fprintf(&b, "%d turns · %d messages", r.transcript.turn(), r.transcript.Count())
	if r.about.MaxMessages > 0 {
		fmt.Fprintf(&b, " of at most %d", r.about.MaxMessages)
	}
	if r.agent.executor != "" {
		fmt.Fprintf(&b, " · executor %s", plain(r.agent.executor, 200))
	}
	if r.agent.model != "" && r.agent.model != r.agent.executor {
		fmt.Fprintf(&b, " (%s)", plain(r.agent.model, 200))
	}
	if u := r.usage.total; u.InputTokens+u.OutputTokens > 0 {
		fmt.Fprintf(&b, " · %d → %d tokens", u.InputTokens, u.OutputTokens)
	}
	b.WriteString("\n\n")
	_, messages := r.transcript.Tail()
	shown := messages[max(0, len(messages)-shownMessages):]
	if hidden := r.transcript.Next - len(shown); hidden > 0 {
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
				for _, d := range p.ToolResult.Decisions {
					fmt.Fprintf(&b, "**operator**: %s\n\n", plain(d.String(), shownRunes))
				}
			}
		}
	}
	return b.String()
}

// writeApproval shows a tool call that waits. Arguments that are cut say so: an approval is
// given for what was seen.
func writeApproval(b *strings.Builder, a Approval) {
	question := "needs approval"
	if a.Lost != "" {
		question = "outcome unknown: call again?"
	}
	arguments := plain(string(a.Arguments), shownArguments)
	if len([]rune(string(a.Arguments))) > shownArguments {
		arguments += " (cut: `starter approve` shows all of it)"
	}
	fmt.Fprintf(b, "**%s** until %s: %s with %s (call %s, digest %s)\n\n", question,
		a.Until.Format("2006-01-02 15:04:05 UTC"), plain(a.Tool, 200), arguments, plain(a.CallID, 200), plain(a.Digest, 200))
	if a.Lost != "" {
		fmt.Fprintf(b, "> %s\n\n", plain(a.Lost, 2*shownRunes))
	}
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

func (r *run) writeAttention(b *strings.Builder) {
	a := r.attention
	fmt.Fprintf(b, "**needs attention** since %s at %s: %s\n\n", a.Since.Format("2006-01-02 15:04:05 UTC"),
		plain(a.Step, shownRunes), plain(a.Reason, 2*shownRunes))
	if a.Remedy != "" {
		fmt.Fprintf(b, "> %s\n\n", plain(a.Remedy, 2*shownRunes))
	}
	fmt.Fprintf(b, "%s\n\n", capital(a.Choices()))
	switch {
	case a.ContinuesByItself():
		fmt.Fprintf(b, "It continues by itself at %s\n\n", a.NextCheck.Format("2006-01-02 15:04:05 UTC"))
	case !a.NextCheck.IsZero():
		fmt.Fprintf(b, "It reads the transcript by itself, next at %s\n\n", a.NextCheck.Format("15:04:05 UTC"))
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// plain cuts a text of others to at most limit runes and makes Markdown of it that
// shows it as it is.
func plain(text string, limit int) string {
	return printable.Markdown(printable.ClipLetters(printable.Line(text), limit))
}
