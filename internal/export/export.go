// Package export writes conversations in the forms that evaluation and training read: one JSON
// document a line, OpenAI's chat messages or ShareGPT's. What a form cannot express is left out
// and counted.
package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/redact"
)

// A Format is one of the forms.
type Format string

// The forms.
const (
	OpenAI   Format = "openai"
	ShareGPT Format = "sharegpt"
)

// DefaultFormat is the form that most services take.
const DefaultFormat = OpenAI

// Formats are all forms.
func Formats() []Format { return []Format{OpenAI, ShareGPT} }

// A Writer writes one line for each conversation. It holds one conversation at a time.
type Writer struct {
	// Format is the form.
	Format Format
	// System is a system prompt that begins each conversation. Empty: none is known.
	System string
	// Plain leaves out the object "metadata": some services refuse fields that they do not
	// know.
	Plain bool
	// Redact replaces texts. Nil: none.
	Redact *redact.Redactor

	out     io.Writer
	written int
	left    map[string]int
}

// NewWriter makes a writer to w.
func NewWriter(w io.Writer, format Format) *Writer {
	return &Writer{Format: format, out: printable.JSON(w), left: map[string]int{}}
}

// Written is how many conversations were written.
func (w *Writer) Written() int { return w.written }

// LeftOut counts what was left out, in words, in the order of the words.
func (w *Writer) LeftOut() []string {
	var out []string
	for _, what := range slices.Sorted(maps.Keys(w.left)) {
		out = append(out, fmt.Sprintf("%s: %d", what, w.left[what]))
	}
	return out
}

func (w *Writer) leave(what string) { w.left[what]++ }

// A Metadata says what a line is about. Its texts are redacted, and of its ids what is not a
// number.
type Metadata struct {
	ID           string                   `json:"id"`
	Platform     string                   `json:"platform,omitempty"`
	Project      string                   `json:"project,omitempty"`
	Simulation   string                   `json:"simulation,omitempty"`
	Agent        string                   `json:"agent,omitempty"`
	Persona      string                   `json:"persona,omitempty"`
	Scenario     string                   `json:"scenario,omitempty"`
	Open         bool                     `json:"open,omitempty"`
	Outcome      conversation.OutcomeKind `json:"outcome,omitempty"`
	EndedBy      conversation.EndedBy     `json:"ended_by,omitempty"`
	Executors    []string                 `json:"executors,omitempty"`
	Models       []string                 `json:"models,omitempty"`
	Started      time.Time                `json:"started,omitzero"`
	Ended        time.Time                `json:"ended,omitzero"`
	Turns        int                      `json:"turns"`
	InputTokens  int64                    `json:"input_tokens,omitempty"`
	OutputTokens int64                    `json:"output_tokens,omitempty"`
}

func (w *Writer) metadata(r records.Record) *Metadata {
	if w.Plain {
		return nil
	}
	ids := func(names []string, last string) []string {
		var out []string
		for _, n := range append(slices.Clone(names), last) {
			if n != "" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		for i := range out {
			out[i] = w.Redact.ID(out[i])
		}
		return out
	}
	return &Metadata{
		ID: w.Redact.ID(r.ID), Platform: r.Platform, Project: w.Redact.ID(r.Project), Simulation: w.Redact.ID(r.Simulation), Agent: w.Redact.ID(r.Agent),
		Persona: w.Redact.Text(r.Persona), Scenario: w.Redact.Text(r.Scenario), Open: r.Open, Outcome: r.Outcome, EndedBy: r.EndedBy,
		Executors: ids(r.Executors, r.Executor), Models: ids(r.Models, r.Model), Started: r.Started.UTC(), Ended: r.Ended.UTC(), Turns: r.Turns,
		InputTokens: r.Usage.InputTokens, OutputTokens: r.Usage.OutputTokens,
	}
}

// Write writes one conversation, or counts why it cannot be.
func (w *Writer) Write(r records.Record) error {
	switch {
	case r.Unreadable != "":
		w.leave("conversations that could not be read")
		return nil
	case !complete(r.Messages):
		w.leave("conversations whose earlier messages Temporal no longer has")
		return nil
	}
	messages := w.usable(r.Messages)
	if len(messages) == 0 {
		w.leave("conversations without messages")
		return nil
	}
	var line any
	if w.Format == ShareGPT {
		line = struct {
			Conversations []turn    `json:"conversations"`
			Metadata      *Metadata `json:"metadata,omitempty"`
		}{w.shareGPT(messages), w.metadata(r)}
	} else {
		line = struct {
			Messages []message `json:"messages"`
			Metadata *Metadata `json:"metadata,omitempty"`
		}{w.openAI(messages), w.metadata(r)}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("export %q: %w", r.ID, err)
	}
	w.written++
	_, err := w.out.Write(b.Bytes())
	return err
}

// complete reports whether no message is missing.
func complete(messages []records.Message) bool {
	for i, m := range messages {
		if m.Index != i {
			return false
		}
	}
	return true
}

// An entry is a message in the terms that both forms share: its texts are redacted.
type entry struct {
	role    conversation.Role
	text    string
	calls   []call
	results []result
}

type call struct {
	id, name  string
	arguments json.RawMessage
}

type result struct{ call, content string }

// usable are the messages that the forms can express: calls have results and results calls.
func (w *Writer) usable(messages []records.Message) []entry {
	called, answered := map[string]bool{}, map[string]bool{}
	for _, m := range messages {
		for _, p := range m.Parts {
			if p.ToolCall != nil && !m.Unsent {
				called[p.ToolCall.ID] = true
			}
			if p.ToolResult != nil && called[p.ToolResult.CallID] {
				answered[p.ToolResult.CallID] = true
			}
		}
	}
	var out []entry
	for _, m := range messages {
		if m.Unsent {
			w.leave("replies that did not reach the platform")
			continue
		}
		if m.ProviderStateBytes > 0 {
			w.leave("states of providers")
		}
		e := entry{role: m.Role}
		var texts []string
		if len(m.Parts) == 0 {
			texts = append(texts, w.Redact.Text(m.Text))
		}
		for _, p := range m.Parts {
			switch {
			case p.Type == conversation.PartText:
				texts = append(texts, w.Redact.Text(p.Text))
			case p.Type == conversation.PartData:
				texts = append(texts, compact(w.Redact.JSON(p.Data)))
			case p.ToolCall != nil && answered[p.ToolCall.ID]:
				e.calls = append(e.calls, call{p.ToolCall.ID, w.functionName(p.ToolCall.Name), w.Redact.JSON(p.ToolCall.Arguments)})
			case p.ToolCall != nil:
				w.leave("tool calls without a result")
			case p.ToolResult != nil && called[p.ToolResult.CallID]:
				e.results = append(e.results, result{p.ToolResult.CallID, w.Redact.Text(p.ToolResult.Content)})
				if len(p.ToolResult.Decisions) > 0 {
					w.leave("operators' decisions on tool calls")
				}
			case p.ToolResult != nil:
				w.leave("tool results without a call")
			}
		}
		e.text = strings.Join(texts, "\n\n")
		if e.text == "" && len(e.calls)+len(e.results) == 0 {
			w.leave("messages without text")
			continue
		}
		out = append(out, e)
	}
	return out
}

var notFunctionName = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// functionName is a tool's name as the forms allow it.
func (w *Writer) functionName(name string) string {
	redacted := w.Redact.ID(name)
	out := notFunctionName.ReplaceAllString(redacted, "_")
	if len(out) > 64 {
		out = out[:64]
	}
	if out == "" {
		out = "tool"
	}
	if out != redacted {
		w.leave("tool names that were changed to what is allowed")
	}
	return out
}

func compact(data json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return string(data)
	}
	return b.String()
}

// arguments are those of a call as a JSON object.
func (c call) object() json.RawMessage {
	if len(c.arguments) == 0 || !json.Valid(c.arguments) {
		return json.RawMessage("{}")
	}
	return json.RawMessage(compact(c.arguments))
}
