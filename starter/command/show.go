package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

func (s *starter) showCommand() *cobra.Command {
	var turns bool
	cmd := &cobra.Command{
		Use: "show CONVERSATION", Long: showHelp, Example: showExample, Args: oneConversation,
		RunE: s.does(func(ctx context.Context, args []string) error { return s.show(ctx, args[0], turns) }),
	}
	cmd.Flags().BoolVar(&turns, "turns", false, "where the time of each turn went, and why attempts failed, in place of the messages")
	return cmd
}

func (s *starter) show(ctx context.Context, name string, turns bool) error {
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	id, err := o.Find(ctx, name)
	if err != nil {
		return err
	}
	record, err := o.Show(ctx, id)
	if err != nil {
		return err
	}
	if s.inJSON() {
		return s.document(record)
	}
	if turns {
		s.print("%s\n%s", header(record, time.Now()), turnsText(record))
	} else {
		s.print("%s", recordText(record, time.Now()))
	}
	if record.Incomplete != "" {
		s.say("Incomplete: %s", clip(record.Incomplete, 500))
	}
	switch {
	case record.Stranded != nil:
		s.say("No worker can run it: this is from the history, and may lack the current step.")
	case record.Open && record.Source == records.SourceHistory && record.WaitsFor == nil:
		s.say("No worker answers on task queue %q: this is from the history, and may lack the current step.", o.TaskQueue)
	}
	return nil
}

func recordText(r records.Record, now time.Time) string {
	return header(r, now) + transcriptText(r, now)
}

// transcriptText are the messages, and the tool calls that wait for an operator.
func transcriptText(r records.Record, now time.Time) string {
	var b strings.Builder
	next := 0
	for _, m := range r.Messages {
		if m.Index > next {
			fmt.Fprintf(&b, "\n… %s before this: Temporal no longer has them, the platform does\n", count(m.Index-next, "message"))
		}
		next = m.Index + 1
		b.WriteString("\n")
		b.WriteString(messageText(m, otherSide(r), now))
	}
	for _, a := range r.Approvals {
		b.WriteString("\nThis call waits for an operator:\n" + indent(strings.TrimRight(callText(a, now), "\n"), "   ") + "\n")
	}
	return b.String()
}

func header(r records.Record, now time.Time) string {
	status := statusText(r.Conversation)
	if r.Step != "" {
		status += " · " + r.Step
	}
	executor := r.Executor
	if r.Model != "" && r.Model != r.Executor {
		executor += " (" + r.Model + ")"
	}
	started := clock(r.Started, now)
	if started != "" {
		started += ", for " + span(r.Duration())
	}
	outcome := r.Result()
	if r.Detail != "" {
		outcome = strings.TrimPrefix(outcome+": "+r.Detail, ": ")
	}
	rows := [][2]string{
		{"conversation", printable.ID(r.ID)},
		{"persona", clip(r.Persona, 200)},
		{"simulation", printable.ID(r.Simulation)},
		{"agent", printable.ID(r.Agent)},
		{"status", status},
		{"executor", executor},
		{"turns", fmt.Sprint(r.Turns)},
		{"tokens", tokens(r.Usage)},
		{"started", started},
		{"outcome", clip(outcome, 500)},
		{"Temporal UI", r.UI},
	}
	if w := r.WaitsFor; w != nil {
		rows = append(rows, [2]string{"waiting", "since " + clock(w.Since, now) + ", " + clip(w.Reason, 500)},
			[2]string{"remedy", "give the workers the key; it goes on by itself, within ten minutes"})
	}
	if r.Queued > 0 {
		rows = append(rows, [2]string{"queued", count(r.Queued, "message")})
	}
	if r.Task != nil {
		rows = append(rows, taskRows(*r.Task, now)...)
	}
	if s := r.Stranded; s != nil {
		rows = append(rows, [2]string{"stranded", clip(s.Reason, 500)}, [2]string{"remedy", clip(s.Remedy, 500)})
		if s.Was != "" {
			rows = append(rows, [2]string{"before that", words(s.Was)})
		}
	}
	if a := r.Attention; a != nil {
		reason := a.Reason
		if a.Step != "" {
			reason = a.Step + ": " + reason
		}
		rows = append(rows,
			[2]string{"waiting", "since " + clock(a.Since, now) + ", " + clip(reason, 500)},
			[2]string{"remedy", clip(a.Remedy, 500)},
			[2]string{"choices", choices(*a, r.Status)})
		switch {
		case a.ContinuesByItself() && r.Status == string(workflows.StateNeedsAttention):
			rows = append(rows, [2]string{"continues", clock(a.NextCheck, now) + ", by itself"})
		case !a.NextCheck.IsZero():
			rows = append(rows, [2]string{"next check", clock(a.NextCheck, now)})
		}
	}
	for _, a := range r.Approvals {
		what := "approve " + a.Tool
		if a.Lost != "" {
			what = "call " + a.Tool + " again?"
		}
		rows = append(rows, [2]string{"decision", what + ", call " + a.CallID + ", digest " + a.Digest + "; shown below"})
	}
	for _, f := range r.Retrying {
		rows = append(rows, [2]string{"retrying", clip(f.Step+", "+f.String(), 700)})
		if f.Remedy != "" {
			rows = append(rows, [2]string{"remedy", clip(f.Remedy, 500)})
		}
	}
	return pairs(rows...)
}

// choices are what an operator can do about a conversation that needs attention, besides
// the remedy.
func choices(a workflows.Attention, status string) string {
	if status != string(workflows.StateNeedsAttention) {
		return "" // paused: the operator who paused it knows
	}
	return a.Choices()
}

// taskRows describe the run of a task.
func taskRows(t conversation.TaskResult, now time.Time) [][2]string {
	rows := [][2]string{
		{"task", printable.ID(t.TaskID)},
		{"execution", printable.ID(t.ExecutionID)},
		{"due", clock(t.ScheduledFor, now)},
	}
	if t.Status != "" {
		rows = append(rows, [2]string{"result", string(t.Status)})
	}
	if t.Status == conversation.TaskSuccess {
		rows = append(rows, [2]string{"", clip(compact(t.Result), 2000)})
	}
	if t.Error != "" {
		rows = append(rows, [2]string{"error", clip(t.Error, 500)})
	}
	if d := t.Delivery; d != nil {
		text := string(d.State)
		if d.Attempts > 0 {
			text += " after " + count(d.Attempts, "attempt")
		}
		if d.Error != "" {
			text += ": " + d.Error
		}
		rows = append(rows, [2]string{"callback", clip(text, 500)})
	}
	switch {
	case t.Acknowledged:
		rows = append(rows, [2]string{"acknowledged", "yes"})
	case t.Fault != "":
		rows = append(rows, [2]string{"acknowledged", clip("no: "+t.Fault, 500)})
	}
	return rows
}

// otherSide is the other side of the conversation: a persona, if a platform plays one.
func otherSide(r records.Record) string {
	if r.Task != nil || r.Platform == config.DirectPlatform || r.Platform == config.SchedulePlatform {
		return "user"
	}
	return "persona"
}

// messageText is one message: sender and time, and below it the text.
func messageText(m records.Message, other string, now time.Time) string {
	head := fmt.Sprintf("#%d %s", m.Index+1, speaker(m.Role, other))
	if at := clock(m.Time, now); at != "" {
		head += " · " + at
	}
	if m.Unsent {
		head += " · not sent"
	}
	if m.CutOff {
		head += " · cut off"
	}
	if m.Cleaned > 0 {
		head += " · " + count(m.Cleaned, "character") + " taken out"
	}
	if m.ProviderStateBytes > 0 {
		head += fmt.Sprintf(" · %d bytes of provider state", m.ProviderStateBytes)
	}
	body := clean(m.Text)
	if len(m.Parts) > 0 {
		body = clean(partsText(m.Parts))
	}
	return printable.Line(head) + "\n" + indent(strings.TrimRight(body, "\n"), "   ") + "\n"
}

func partsText(parts []conversation.Part) string {
	var lines []string
	for _, p := range parts {
		switch {
		case p.Type == conversation.PartText:
			lines = append(lines, p.Text)
		case p.Type == conversation.PartData:
			lines = append(lines, compact(p.Data))
		case p.ToolCall != nil:
			lines = append(lines, fmt.Sprintf("→ %s(%s)", clip(p.ToolCall.Name, 200), compact(p.ToolCall.Arguments)))
		case p.ToolResult != nil:
			lines = append(lines, resultLines(*p.ToolResult)...)
		}
	}
	return strings.Join(lines, "\n")
}

// resultLines are what operators decided about a call, and its result.
func resultLines(r conversation.ToolResult) []string {
	var lines []string
	for _, d := range r.Decisions {
		lines = append(lines, printable.Line(fmt.Sprintf("%s, %s", d.At.UTC().Format("2006-01-02 15:04:05 UTC"), d)))
	}
	if r.IsError {
		return append(lines, "← error: "+r.Content)
	}
	return append(lines, "← "+r.Content)
}

// compact is JSON on one line with every digit of its numbers, and without escapes that
// it did not need.
func compact(data json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return string(data)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return string(data)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// speaker names the roles for reading.
func speaker(r conversation.Role, other string) string {
	switch r {
	case conversation.RoleUser:
		return other
	case conversation.RoleAssistant:
		return "agent"
	}
	return string(r)
}
