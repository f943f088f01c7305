package activities

import (
	"fmt"
	"slices"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/tools"
)

func (r *replying) request(in ReplyInput, messages []conversation.Message, offered []tools.Offered) executors.Request {
	req := executors.Request{
		Conversation:   in.Ref,
		Turn:           in.Turn,
		Attempt:        r.number(),
		Round:          in.Round,
		IdempotencyKey: replyKey(r.info.WorkflowExecution.ID, in),
		Task:           in.Task,
		Messages:       messages,
		New:            len(in.New),
		Tools:          described(offered),
		OmittedText:    in.OmittedText,
		State:          in.State,
		Attach:         r.progress.Attach,
	}
	bounds := conversation.Bounds{Messages: in.Window, Bytes: in.LimitBytes, Marker: in.OmittedText}
	var partial conversation.Window
	if in.Partial != nil {
		partial.Messages = continuing(*in.Partial)
		if bounds.Bytes > 0 {
			bounds.Bytes = max(1, bounds.Bytes-partial.Size())
		}
	}
	fitting := bounds.Window(inTurn(messages))
	req.Messages = slices.Concat(fitting.Messages, partial.Messages)
	switch {
	case in.Partial == nil:
		req.New = min(req.New, len(req.Messages))
	case len(req.State) > 0:
		req.New = 1 // the rest it has seen, and its own part it has said
	default:
		req.New = len(req.Messages)
	}
	if in.Window > 0 || in.Anew {
		// What is kept on the other side is as long as before: it is begun anew.
		req.State, req.New = nil, len(req.Messages)
	}
	r.sent = SentMessages{
		Messages: len(req.Messages), Bytes: fitting.Size() + partial.Size(), Least: fitting.Least, Continued: len(req.State) > 0,
	}
	return req
}

// inTurn are the messages without what providers returned beside those of earlier turns:
// it is of use only until the agent has replied.
func inTurn(messages []conversation.Message) []conversation.Message {
	turn := len(messages)
	for turn > 0 && messages[turn-1].Internal() {
		turn--
	}
	if older := conversation.WithoutState(messages[:turn:turn]); turn > 0 && len(older) > 0 && &older[0] != &messages[0] {
		return append(older, messages[turn:]...)
	}
	return messages
}

// callKey names the request with all that matters about it.
func (r *replying) callKey(in ReplyInput) string {
	execution := r.info.WorkflowExecution
	return fmt.Sprintf("%s %s %s %s", replyKey(execution.ID, in), execution.RunID, in.Executor, Digest(in.Digest, in.New...))
}

func described(offered []tools.Offered) []conversation.Tool {
	var out []conversation.Tool
	for _, o := range offered {
		out = append(out, o.Tool)
	}
	return out
}
