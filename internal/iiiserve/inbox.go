package iiiserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/workflows"
)

// ingest is the name of the function that serves the inbox's messages.
const ingest = "ingest"

// The server retries a message after these times. An engine makes about four attempts
// within seconds, but waits for an answer without a limit.
const (
	firstRetry   = time.Second
	maxRetryWait = 30 * time.Second
)

// ingest serves a message of the inbox. While Temporal does not answer, or as many
// messages as permitted are being served, it holds the message; when this server stops,
// the engine delivers it again. Messages are served concurrently: one that cannot be
// started blocks no other.
func (s *Server) ingest(ctx context.Context, call iii.Invocation) (any, error) {
	defer s.begin()()
	release, ok := s.ingests.await(ctx, s.stopping)
	if !ok {
		return nil, iii.Errorf(codeUnavailable, "this worker stops: deliver the message again")
	}
	defer release()
	for wait := firstRetry; ; wait = min(2*wait, maxRetryWait) {
		out, err := answer(s, ctx, call, s.startFromMessage)
		switch {
		case err == nil:
			return out, nil
		case !iii.HasCode(err, codeUnavailable) && !iii.HasCode(err, codeTimeout):
			if s.logged.first(messageKey(call.Data)) {
				s.log.Warn("a message of the inbox cannot start a conversation: the engine makes it a dead letter",
					"topic", s.cfg.Inbox, "error", err, "message", printable.Clip(printable.Line(string(clipped(call.Data))), 300))
			}
			return nil, err
		}
		if s.logged.first("waits " + time.Now().Truncate(time.Minute).String()) {
			s.log.Warn("messages of the inbox wait until Temporal answers", "topic", s.cfg.Inbox, "error", err, "retry_in", wait)
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

// messageKey is the same for each delivery of a message, valid or not.
func messageKey(data json.RawMessage) string {
	if name, err := fingerprint(data); err == nil {
		return name
	}
	return derived(string(data))
}

func clipped(data json.RawMessage) json.RawMessage { return data[:min(len(data), 4<<10)] }

// startFromMessage starts the conversation of a message of the inbox. The message may be
// delivered again, so missing ids are derived from its content. It is acknowledged once
// Temporal has it, without the reply.
func (s *Server) startFromMessage(ctx context.Context, call iii.Invocation, req startRequest) (startResponse, error) {
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
	out, err := s.open(ctx, req, s.sendWithoutWait)
	if errors.Is(err, launch.ErrOver) && req.Message == "" {
		return out, nil // it was started, and is over
	}
	return out, err
}

// sendWithoutWait sends a message and returns once Temporal has accepted it, with the
// reply if there is one already.
func (s *Server) sendWithoutWait(ctx context.Context, d launch.Direct, message workflows.SendRequest) (reply workflows.SendReply, err error) {
	handle, err := s.operator.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.ConversationID(d.Input.Ref), UpdateID: message.ID, UpdateName: workflows.UpdateSend, Args: []any{message},
		WaitForStage: client.WorkflowUpdateStageAccepted,
	})
	if err == nil {
		// A rejected update has its outcome already, without a wait.
		now, cancel := context.WithCancel(ctx)
		cancel()
		var pending *client.WorkflowUpdateServiceTimeoutOrCanceledError
		if err = handle.Get(now, nil); err == nil || errors.As(err, &pending) {
			return reply, nil
		}
	}
	var app *temporal.ApplicationError
	switch {
	case transient(err):
		return reply, err
	case errors.As(err, &app) && app.Type() == workflows.ErrTypeBusy:
		return reply, iii.Errorf(codeUnavailable, "%s", app.Message())
	}
	// The conversation is over: Send returns that error, or the reply of this message.
	return s.launcher.Send(ctx, d, message)
}

// fingerprint is the same for equal JSON, whatever the order of keys and the spaces.
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
