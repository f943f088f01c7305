package activities

import "github.com/parley-run/parley/conversation"

// The methods named Record say what a recorded input or result adds to the transcript,
// and where. The workflow applies the record when the result arrives, a reader of the
// history in the order of the history: both get the same transcript. A result that was
// handed over has no record.

// Place sets the index of the messages.
func (r *ContextResult) Place() { r.Index = r.Count - len(r.Messages) }

// Place sets the index of the message.
func (r *ReplyResult) Place(in ReplyInput) { r.Index = in.Before + len(in.New) }

// Place sets the index of the message with the result.
func (r *CallToolResult) Place(in CallToolInput) { r.MessageIndex = in.MessageIndex }

// Place sets the index of the messages.
func (r *ExchangeResult) Place(in ExchangeInput) {
	r.Index = r.Count + in.Internal - min(r.Taken, len(in.Messages)) - len(r.Messages)
}

// Record is the platform's transcript, of which there may be the newest messages only, or
// else what the task says to the agent.
func (r ContextResult) Record() conversation.Record {
	record := conversation.Record{Index: r.Index, Messages: r.Messages, Turns: r.Turns, Reread: true}
	if task := r.Context.Task; task != nil && len(r.Messages) == 0 && r.Fault == "" {
		record.Messages = []conversation.Message{task.Message()}
	}
	return record
}

// Record is what the executor is given: everything since its last reply.
func (in ReplyInput) Record() conversation.Record {
	return conversation.Record{Index: in.Before, Messages: in.New, Turns: in.Turn - 1}
}

// Record is the executor's request for tool calls, or its reply. A reply for which an
// exchange follows is not delivered yet.
func (r ReplyResult) Record(in ReplyInput) conversation.Record {
	record := conversation.Record{Index: r.Index, Turns: in.Turn - 1}
	switch {
	case len(r.Message.Parts) == 0:
	case len(r.Calls) == 0 && in.Exchanged:
		record.Pending = &r.Message
	default:
		record.Messages = []conversation.Message{r.Message}
	}
	if len(r.Calls) == 0 && !in.Exchanged {
		record.Turns = in.Turn
	}
	return record
}

// Record is the result of one of the calls of a round.
func (r CallToolResult) Record(in CallToolInput) conversation.Record {
	result := conversation.ToolResult{CallID: in.Call.CallID, Content: r.Content, IsError: r.IsError, Decisions: in.Decisions}
	return conversation.Record{
		Index: r.MessageIndex, Messages: []conversation.Message{conversation.ToolResultMessage(result)}, Turns: in.Turn - 1, Insert: true,
	}
}

// Record is what the platform took of our messages, and what came back.
func (r ExchangeResult) Record(in ExchangeInput) conversation.Record {
	taken := in.Messages[:min(r.Taken, len(in.Messages))]
	record := conversation.Record{Index: r.Index, Turns: in.Turn}
	record.Messages = append(append(record.Messages, taken...), r.Messages...)
	if len(taken) < len(in.Messages) {
		record.Turns, record.Pending = in.Turn-1, &in.Messages[len(taken)]
	}
	return record
}
