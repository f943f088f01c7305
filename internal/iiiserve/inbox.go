package iiiserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

// ingest is the function that takes the inbox's messages.
const ingest = "ingest"

// A message is tried again after these times. An engine gives one up after four
// tries within seconds, but waits for an answer as long as it takes.
const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

// ingest takes a message of the inbox. While Temporal does not answer, or all places are
// taken, it keeps the message; when this server stops, it is the engine's again. Messages
// wait beside each other: one that cannot be started holds up no other.
func (s *Server) ingest(ctx context.Context, call iii.Invocation) (any, error) {
	defer s.begin()()
	leave, ok := s.letters.await(ctx, s.stopping)
	if !ok {
		return nil, iii.Errorf(codeUnavailable, "this worker stops: deliver the message again")
	}
	defer leave()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		out, err := answer(s, ctx, call, s.take)
		switch {
		case err == nil:
			return out, nil
		case !iii.HasCode(err, codeUnavailable) && !iii.HasCode(err, codeTimeout):
			if s.complaints.first(messageName(call.Data)) {
				s.log.Warn("a message of the inbox can start no conversation: the engine will put it among its dead letters",
					"topic", s.cfg.Inbox, "error", err, "message", printable.Clip(printable.Line(string(clipped(call.Data))), 300))
			}
			return nil, err
		}
		if s.complaints.first("waits " + time.Now().Truncate(time.Minute).String()) {
			s.log.Warn("messages of the inbox wait until Temporal answers", "topic", s.cfg.Inbox, "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-s.stopping:
			timer.Stop()
			return nil, err
		}
	}
}

// messageName is the same for each delivery of a message, whatever it is.
func messageName(data json.RawMessage) string {
	if name, err := fingerprint(data); err == nil {
		return name
	}
	return derived(string(data))
}

func clipped(data json.RawMessage) json.RawMessage { return data[:min(len(data), 4<<10)] }

// complaints are what has been logged and is not to be logged again. The zero value is
// ready.
type complaints struct {
	mu    sync.Mutex
	made  map[string]bool
	order []string
}

// knownComplaints bounds them; older ones are forgotten.
const knownComplaints = 1000

// first reports whether a complaint is new.
func (c *complaints) first(about string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made[about] {
		return false
	}
	if c.made == nil {
		c.made = map[string]bool{}
	}
	c.made[about] = true
	if c.order = append(c.order, about); len(c.order) > knownComplaints {
		delete(c.made, c.order[0])
		c.order = c.order[1:]
	}
	return true
}

// take starts what a message of the inbox asks for. The message may come again, so
// its names are made of itself where it has none. It is acknowledged once Temporal
// has it: nobody here waits for the reply.
func (s *Server) take(ctx context.Context, call iii.Invocation, req startRequest) (startResponse, error) {
	if req.MessageID == "" {
		own, err := fingerprint(call.Data)
		if err != nil {
			return startResponse{}, err
		}
		req.MessageID = own
	}
	if req.ConversationID == "" {
		req.ConversationID = derived(req.AgentID, req.MessageID)
	}
	out, err := s.begins(ctx, req, func(d launch.Direct, say workflows.SendRequest) (workflows.SendReply, error) {
		return s.leave(ctx, d, say)
	})
	if errors.Is(err, launch.ErrOver) && req.Message == "" {
		return out, nil // it has been started, and is over
	}
	return out, err
}

// leave gives a message to a conversation without waiting for the reply, unless
// there is one.
func (s *Server) leave(ctx context.Context, d launch.Direct, say workflows.SendRequest) (reply workflows.SendReply, err error) {
	handle, err := s.operator.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.ConversationID(d.Input.Ref), UpdateID: say.ID, UpdateName: workflows.UpdateSend, Args: []any{say},
		WaitForStage: client.WorkflowUpdateStageAccepted,
	})
	if err == nil {
		// One that was turned down has its outcome by now, and needs no waiting.
		now, cancel := context.WithCancel(ctx)
		cancel()
		var pending *client.WorkflowUpdateServiceTimeoutOrCanceledError
		if err = handle.Get(now, nil); err == nil || errors.As(err, &pending) {
			return reply, nil
		}
	}
	var app *temporal.ApplicationError
	switch {
	case passing(err):
		return reply, err
	case errors.As(err, &app) && app.Type() == workflows.ErrTypeBusy:
		return reply, iii.Errorf(codeUnavailable, "%s", app.Message())
	}
	// It is over: this says so, or that the message had its reply.
	return s.launcher.Send(ctx, d, say)
}

// fingerprint is the same for the same message, however it is written.
func fingerprint(data json.RawMessage) (string, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return "", invalid("the message: %v", err)
	}
	if fields == nil {
		return "", invalid("the message is null")
	}
	delete(fields, "_caller_worker_id")
	written, err := json.Marshal(fields)
	if err != nil {
		return "", err
	}
	return "inbox-" + derived(string(written)), nil
}
