package iiiengine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
)

// A PersonaRequest is the data of a call of a persona function.
type PersonaRequest struct {
	ConversationID string `json:"conversationId"`
	AgentID        string `json:"agentId"`
	// Opening is true if there are no messages yet, and the persona writes first.
	Opening bool `json:"opening,omitempty"`
	// Message is the text of the agent's message; Messages has all its parts.
	Message  string                 `json:"message"`
	Messages []conversation.Message `json:"messages,omitempty"`
	// MessageID is the same for every attempt to send this message. A persona that has
	// answered it returns the same answer.
	MessageID string `json:"messageId"`
}

// Send calls the persona function that the ref names. The key is the request's
// MessageID: a persona that has answered it returns the same answer.
func (p *Platform) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	op := fmt.Sprintf("iii: call persona %q", ref.Simulation)
	if ref.Simulation == "" {
		return platforms.Reply{}, &conversation.Error{
			Kind: conversation.Invalid, Op: "iii: send to conversation " + ref.ID, Err: errors.New("its ref names no persona function"),
			Remedy: "start conversations over the engine, with personaFunction",
		}
	}
	if !p.cfg.PersonaAllowed(ref.Simulation) {
		return platforms.Reply{}, &conversation.Error{
			Kind: conversation.Invalid, Op: op, Err: errors.New("the configuration does not permit this function as a persona"),
			Remedy: "add it to the platform's personas",
		}
	}
	w, err := p.Worker()
	if err != nil {
		return platforms.Reply{}, err
	}
	req := PersonaRequest{
		ConversationID: ref.ID, AgentID: ref.Agent, MessageID: in.IdempotencyKey,
		Opening: len(in.Messages) == 0, Messages: in.Messages,
	}
	for i, m := range in.Messages {
		if i > 0 {
			req.Message += "\n\n"
		}
		req.Message += m.PlainText()
	}
	// The agent's exchange_timeout bounds the call, through ctx.
	answer, err := w.Invoke(ctx, ref.Simulation, req, p.addressed(iii.Timeout(0), iii.Permit(lease.Check))...)
	if err != nil {
		return platforms.Reply{}, p.failed(op, err)
	}
	reply, err := readAnswer(answer)
	if err != nil {
		return platforms.Reply{}, &conversation.Error{
			Kind: conversation.Invalid, Op: op, Err: err, Answered: true,
			Remedy: `change the function: it must return {message: "…"}, or {ended: true} to end the conversation`,
		}
	}
	return reply, nil
}

// addressed adds the namespace of the personas.
func (p *Platform) addressed(opts ...iii.CallOption) []iii.CallOption {
	if p.cfg.Namespace != "" {
		opts = append(opts, iii.InNamespace(p.cfg.Namespace))
	}
	return opts
}

// answerText is a text, or an object that has one.
type answerText string

func (s *answerText) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = answerText(text)
		return nil
	}
	var object struct {
		Text    *string `json:"text"`
		Content *string `json:"content"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	switch {
	case object.Text != nil:
		*s = answerText(*object.Text)
	case object.Content != nil:
		*s = answerText(*object.Content)
	default:
		return errors.New("it has neither text nor content")
	}
	return nil
}

// readAnswer accepts the shapes that existing functions have: a text, or an object with
// the text as message, content, reply or text, or several as messages; and ended, end or
// done.
func readAnswer(data json.RawMessage) (platforms.Reply, error) {
	if len(data) == 0 || string(data) == "null" {
		return platforms.Reply{}, errors.New("its answer is empty")
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		return replyOf([]answerText{answerText(text)}, false)
	}
	var a struct {
		Message  *answerText  `json:"message"`
		Content  *answerText  `json:"content"`
		Reply    *answerText  `json:"reply"`
		Text     *answerText  `json:"text"`
		Messages []answerText `json:"messages"`
		Ended    bool         `json:"ended"`
		End      bool         `json:"end"`
		Done     bool         `json:"done"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return platforms.Reply{}, errors.New("its answer is neither a text nor an object with one")
	}
	texts := a.Messages
	for _, one := range []*answerText{a.Message, a.Content, a.Reply, a.Text} {
		if one != nil && len(texts) == 0 {
			texts = []answerText{*one}
		}
	}
	return replyOf(texts, a.Ended || a.End || a.Done)
}

// maxAnswer keeps an answer below Temporal's limit, 2 MiB. Beyond it the call of the
// persona would be retried without end.
const maxAnswer = 1 << 20

func replyOf(texts []answerText, ended bool) (platforms.Reply, error) {
	reply := platforms.Reply{Ended: ended}
	for _, text := range texts {
		if text != "" {
			reply.Messages = append(reply.Messages, conversation.Text(conversation.RoleUser, string(text)))
		}
	}
	size := 0
	for _, m := range reply.Messages {
		size += m.RecordedSize()
	}
	if size > maxAnswer {
		return platforms.Reply{}, fmt.Errorf("its answer has %d KiB as JSON, must have at most %d", size>>10, maxAnswer>>10)
	}
	if len(reply.Messages) == 0 && !ended {
		return platforms.Reply{}, errors.New("its answer has no text and does not end the conversation")
	}
	return reply, nil
}
