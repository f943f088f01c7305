package tracing

import (
	"encoding/json"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

const (
	// maxText bounds each attribute with texts, and maxPart each text in it.
	maxText = 64 << 10
	maxPart = 16 << 10
)

// What the semantic conventions call the input and output messages of a model.
type (
	message struct {
		Role         string `json:"role"`
		Parts        []part `json:"parts"`
		FinishReason string `json:"finish_reason,omitempty"`
	}
	part struct {
		Type      string          `json:"type"`
		Content   any             `json:"content,omitempty"`
		ID        string          `json:"id,omitempty"`
		Name      string          `json:"name,omitempty"`
		Arguments json.RawMessage `json:"arguments,omitempty"`
		Response  any             `json:"response,omitempty"`
	}
)

// Input sets what the model was given, if texts are wanted: the newest messages that fit.
func (s *Span) Input(messages []conversation.Message) {
	if !s.Text() {
		return
	}
	size, first := 0, len(messages)
	out := []json.RawMessage{}
	for first > 0 {
		one := encoded(messageOf(messages[first-1], ""))
		if size += len(one) + 1; size > maxText {
			break
		}
		out, first = append(out, one), first-1
	}
	slices.Reverse(out)
	s.Set(KeyInputMessages.String(string(encoded(out))))
	if first > 0 {
		s.Set(KeyOmitted.Int(first))
	}
}

// Output sets what the model has answered, if texts are wanted.
func (s *Span) Output(m conversation.Message, finishReason string) {
	if !s.Text() {
		return
	}
	out := messageOf(m, finishReason)
	data := encoded([]message{out})
	for len(data) > maxText && len(out.Parts) > 0 {
		out.Parts = out.Parts[:len(out.Parts)-1]
		data = encoded([]message{out})
	}
	s.Set(KeyOutputMessages.String(string(data)))
}

// Arguments sets what a tool was called with, and Answer what it has answered, if texts are
// wanted.
func (s *Span) Arguments(arguments json.RawMessage) { s.setText(KeyToolArguments, string(arguments)) }

// Answer sets what a tool has answered, if texts are wanted.
func (s *Span) Answer(content string) { s.setText(KeyToolResult, content) }

func (s *Span) setText(key attribute.Key, text string) {
	if s.Text() && text != "" {
		s.Set(key.String(printable.Clip(printable.Text(text), maxPart)))
	}
}

func messageOf(m conversation.Message, finishReason string) message {
	out := message{Role: string(m.Role), Parts: []part{}, FinishReason: finishReason}
	for _, p := range m.Parts {
		switch {
		case p.Type == conversation.PartText:
			out.Parts = append(out.Parts, part{Type: "text", Content: clipped(p.Text)})
		case p.ToolCall != nil:
			out.Parts = append(out.Parts, part{
				Type: "tool_call", ID: ID(p.ToolCall.ID), Name: Name(p.ToolCall.Name), Arguments: valid(p.ToolCall.Arguments),
			})
		case p.ToolResult != nil:
			out.Parts = append(out.Parts, part{Type: "tool_call_response", ID: ID(p.ToolResult.CallID), Response: clipped(p.ToolResult.Content)})
		case p.Type == conversation.PartData:
			out.Parts = append(out.Parts, part{Type: "data", Content: valid(p.Data)})
		}
	}
	return out
}

func clipped(text string) string { return printable.Clip(printable.Text(text), maxPart) }

// valid is JSON that fits, or a note that stands in for it.
func valid(data json.RawMessage) json.RawMessage {
	switch {
	case len(data) == 0:
		return nil
	case len(data) > maxPart || !json.Valid(data):
		return encoded(clipped(string(data)))
	}
	return data
}

func encoded(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // nothing here fails to encode
	}
	return data
}
