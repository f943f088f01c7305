package iiiserve

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/workflows"
)

type startRequest struct {
	AgentID         string          `json:"agentId"`
	ConversationID  string          `json:"conversationId"`
	Message         string          `json:"message"`
	MessageID       string          `json:"messageId"`
	PersonaFunction string          `json:"personaFunction"`
	AgentFirst      bool            `json:"agentFirst"`
	Metadata        json.RawMessage `json:"metadata"`
	IdleTimeout     idle            `json:"idleTimeout"`
}

type startResponse struct {
	ConversationID string `json:"conversationId"`
	WorkflowID     string `json:"workflowId"`
	// Started is false if the conversation existed already.
	Started bool   `json:"started"`
	Reply   string `json:"reply,omitempty"`
	Turn    int    `json:"turn,omitempty"`
	Ended   bool   `json:"ended,omitempty"`
}

// idle is a duration such as "30m", a number of seconds, or "never".
type idle time.Duration

// maxIdle is less than a duration can hold.
const maxIdle = 100 * 365 * 24 * time.Hour

func (i *idle) UnmarshalJSON(data []byte) error {
	var (
		seconds float64
		text    string
	)
	switch {
	case string(data) == "null":
		return nil
	case json.Unmarshal(data, &seconds) == nil && seconds >= 1e-3 && seconds < maxIdle.Seconds():
		*i = idle(seconds * float64(time.Second))
		return nil
	case json.Unmarshal(data, &text) == nil && text == "never":
		*i = -1
		return nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		*i = idle(d)
		return nil
	}
	return fmt.Errorf(`idleTimeout is %s: write a duration such as "30m", a number of seconds, or "never"`, data)
}

func (r startRequest) validate() error {
	switch {
	case r.PersonaFunction != "" && r.IdleTimeout != 0:
		return invalid("idleTimeout is for conversations without a personaFunction")
	case len(r.PersonaFunction) > 500 || r.PersonaFunction != "" && !conversation.ValidInWorkflowID(r.PersonaFunction) || strings.ContainsAny(r.PersonaFunction, " "):
		return invalid("personaFunction %.100q is not the id of a function", r.PersonaFunction)
	case checkMessageID(r.MessageID) != nil:
		return checkMessageID(r.MessageID)
	case r.PersonaFunction == "" && r.AgentFirst:
		return invalid("agentFirst is for conversations with a personaFunction")
	case r.Message != "" && r.AgentFirst:
		return invalid("agentFirst and message exclude each other: one of the two begins the conversation")
	case len(bytes.TrimSpace(r.Metadata)) > 64<<10:
		return invalid("metadata has more than 64 KiB")
	}
	if r.Message != "" {
		if err := (workflows.SendRequest{ID: cmp.Or(r.MessageID, "-"), Text: r.Message}).Validate(); err != nil {
			return invalid("%v", err)
		}
	}
	return checkID(r.ConversationID)
}

// start opens a conversation. A retry with the same conversationId, or with the same
// messageId and no conversationId, finds the same conversation.
func (s *Server) start(ctx context.Context, call iii.Invocation, req startRequest) (startResponse, error) {
	if req.MessageID == "" {
		req.MessageID = call.ID
	}
	if req.ConversationID == "" {
		req.ConversationID = derived(req.AgentID, req.MessageID)
	}
	return s.open(ctx, req, s.sendAndWait)
}

// derived is an id that is the same for equal parts.
func derived(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:10])
}

// sendFunc sends the first message of a conversation.
type sendFunc func(context.Context, launch.Direct, workflows.SendRequest) (workflows.SendReply, error)

// open starts a conversation and sends its first message, if there is one.
func (s *Server) open(ctx context.Context, req startRequest, send sendFunc) (startResponse, error) {
	if err := req.validate(); err != nil {
		return startResponse{}, err
	}
	if req.PersonaFunction != "" && !s.cfg.PersonaAllowed(req.PersonaFunction) {
		return startResponse{}, iii.Errorf(codeRefused, "personaFunction %q is not among the permitted ones, %s: an operator of this worker can add it to personas",
			req.PersonaFunction, quoted(slices.Clone(s.cfg.Personas)))
	}
	a, err := s.agent(req.AgentID)
	if err != nil {
		return startResponse{}, err
	}
	req.ConversationID = s.bare(a.Name, req.ConversationID)
	refs := s.refs(a.Name, req.ConversationID)
	if err := refs[0].Validate(); err != nil {
		return startResponse{}, invalid("%v", err)
	}
	if req.PersonaFunction != "" {
		if err := s.absent(ctx, refs[0]); err != nil {
			return startResponse{}, err
		}
		return s.openWithPersona(ctx, a, req)
	}
	if err := s.absent(ctx, refs[1]); err != nil {
		return startResponse{}, err
	}
	return s.openDirect(ctx, s.input(a, refs[0]), req, send)
}

// openDirect starts a conversation whose user sends messages.
func (s *Server) openDirect(ctx context.Context, in workflows.ConversationInput, req startRequest, send sendFunc) (startResponse, error) {
	in.IdleTimeout = time.Duration(req.IdleTimeout)
	in.Start.Context.Metadata = req.Metadata
	direct := launch.Direct{Input: in, Title: title(in.Ref.Agent)}
	out := startResponse{ConversationID: req.ConversationID, WorkflowID: workflows.ConversationID(in.Ref)}
	var err error
	out.Started, err = s.launcher.Start(ctx, direct)
	if err != nil && (req.Message == "" || !errors.Is(err, launch.ErrOver)) {
		return startResponse{}, err
	}
	if req.Message == "" {
		return out, nil
	}
	// Of a conversation that is over, a message that was answered still gets its reply.
	reply, err := send(ctx, direct, workflows.SendRequest{ID: req.MessageID, Text: req.Message})
	if err != nil {
		return startResponse{}, err
	}
	out.Reply, out.Turn, out.Ended = reply.Message.Text(), reply.Turn, reply.Ended
	return out, nil
}

// openWithPersona starts a conversation whose user is a persona function.
func (s *Server) openWithPersona(ctx context.Context, a config.Agent, req startRequest) (startResponse, error) {
	in := s.input(a, s.personaRef(a.Name, req.ConversationID, req.PersonaFunction))
	in.Side = workflows.SideTransport
	in.Start.Context = conversation.Context{
		Persona:   conversation.Persona{ID: req.PersonaFunction, Summary: req.PersonaFunction},
		AgentName: a.Name, AgentFirst: req.AgentFirst, Metadata: req.Metadata,
	}
	if req.Message != "" {
		in.Start.Messages = []conversation.Message{conversation.Text(conversation.RoleUser, req.Message)}
	}
	started, err := s.launcher.Conversation(ctx, launch.Conversation{Input: in, Persona: title(req.PersonaFunction), Once: true})
	if err != nil {
		return startResponse{}, err
	}
	return startResponse{ConversationID: req.ConversationID, WorkflowID: workflows.ConversationID(in.Ref), Started: started}, nil
}
