package command

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// styles are the styles of a terminal.
type styles struct{ colour bool }

func (l styles) paint(code, text string) string {
	text = clean(text)
	if !l.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (l styles) you(text string) string     { return l.paint("1;32", text) }
func (l styles) agent(text string) string   { return l.paint("1;36", text) }
func (l styles) faint(text string) string   { return l.paint("2", text) }
func (l styles) warning(text string) string { return l.paint("33", text) }

const (
	youLabel  = "you › "
	moreLabel = "  … "
)

// speech is a message beside a label, wrapped.
func speech(label, painted, text string, width int) string {
	margin := strings.Repeat(" ", min(utf8.RuneCountInString(label), 16))
	first := painted
	if utf8.RuneCountInString(label) > len(margin) { // a long name has a line of its own
		first = painted + "\n" + margin
	}
	text = chat.Wrap(strings.TrimRight(clean(text), "\n "), width-len(margin)-1)
	return first + strings.ReplaceAll(text, "\n", "\n"+margin) + "\n"
}

// said is one message of the transcript.
func (l styles) said(m records.Message, agent string, width int) string {
	text := m.Text
	if len(m.Parts) > 0 {
		text = partsText(m.Parts)
	}
	agent = clip(agent, 200)
	switch m.Role {
	case conversation.RoleUser:
		return speech(youLabel, l.you(youLabel), text, width)
	case conversation.RoleAssistant:
		return speech(agent+" › ", l.agent(agent+" › "), text, width)
	}
	return l.faint(clip(text, max(width-1, 40))) + "\n"
}

// replyText is the agent's reply as text.
func replyText(r workflows.SendReply) string {
	if len(r.Message.Parts) == 0 {
		return ""
	}
	return partsText(r.Message.Parts)
}

// question shows what the decision on a tool call needs.
func (l styles) question(agent string, a workflows.Approval, now time.Time, width int) string {
	var b strings.Builder
	agent = clip(agent, 200)
	what := fmt.Sprintf("%s asks to call the tool %s", agent, clip(a.Tool, 200))
	if a.Lost != "" {
		what = fmt.Sprintf("%s has called the tool %s, and the outcome is unknown: %s", agent, clip(a.Tool, 200), clip(a.Lost, 500))
	}
	fmt.Fprintf(&b, "%s\n", l.warning(what))
	if text := argumentsText(a.Arguments); text != "" {
		b.WriteString(indent(chat.Wrap(text, width-5), "    ") + "\n")
	}
	fmt.Fprintf(&b, "%s\n", l.faint(fmt.Sprintf("  decide before %s, in %s", clock(a.Until, now), span(a.Until.Sub(now)))))
	return b.String()
}

// attention says why the conversation needs attention, and what can be done.
func (l styles) attention(st workflows.Status, id string, now time.Time) string {
	a := st.Attention
	var b strings.Builder
	head := "The conversation needs attention"
	if st.State == workflows.StatePaused {
		head = "The conversation is paused"
	}
	fmt.Fprintf(&b, "%s\n", l.warning(head+", since "+clock(a.Since, now)))
	b.WriteString(indent(strings.TrimRight(pairs(
		[2]string{"step", clip(a.Step, 200)},
		[2]string{"reason", clip(a.Reason, 500)},
		[2]string{"remedy", clip(a.Remedy, 500)},
	), "\n"), "  ") + "\n")
	id = shellWord(id)
	what := [][2]string{{"Ctrl-C, then /resume", "resumes it"}, {"starter resume " + id, "the same, from another terminal"}}
	if st.State != workflows.StatePaused {
		what[0][1] = "retries"
		what = append(what, [2]string{"starter takeover " + id + " --text …", "answers in the agent's place"})
	}
	what = append(what, [2]string{"starter end " + id, "ends it"})
	b.WriteString(l.faint(indent(strings.TrimRight(pairs(what...), "\n"), "  ")) + "\n")
	return b.String()
}

// progress says what the reply waits for.
func progress(agent string, seen chat.Condition, since, now time.Time) string {
	text := agent + " answers"
	switch {
	case seen.Absent(graceful) && records.KindOf(seen.Err) == records.NoWorker:
		text = "waiting for a worker"
	case seen.Absent(graceful):
		text = "waiting for Temporal"
	case seen.Err == nil && seen.Status.State == workflows.StateNeedsAttention:
		text = "waiting for an operator: needs attention"
	case seen.Err == nil && seen.Status.State == workflows.StatePaused:
		text = "waiting for an operator: paused"
	case seen.Err == nil && seen.Status.Step != "":
		text += " · " + seen.Status.Step
	}
	return text + " · " + now.Sub(since).Truncate(time.Second).String() + " · Ctrl-C stops waiting"
}

// graceful is how long a worker may be busy before that is reported.
const graceful = 3 * time.Second

const chatCommands = `  /help         this list
  /status       the state of the conversation
  /transcript   all messages
  /wait         wait for the open replies
  /resume       resume a conversation that is paused or needs attention
  /retry        send an unsent message again, under the same id
  /end [WHY]    end the conversation, and leave
  /quit         leave; the conversation continues (also Ctrl-D)
  A line that ends in \ continues on the next; lines between """ are one message;
  // begins a message with a slash. Ctrl-C stops waiting for a reply.
`
