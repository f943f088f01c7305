package activities

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// Limits on what an executor may answer. Temporal refuses payloads of 2 MiB; a
// reply is recorded twice and shown to operators.
const (
	maxReplyBytes = 512 << 10
	// maxRecordedReply is for replies of much that JSON has to escape. Twice: when a
	// direct conversation continues as new its newest reply goes along twice, and calls
	// of tools stand twice in a result. What Temporal refuses would be bought again
	// in each attempt.
	maxRecordedReply = 768 << 10
	maxStateBytes    = 4 << 10
	maxAttachBytes   = 8 << 10
	// Each call becomes an activity: Temporal takes 2,000 of them at a time.
	maxCalls = 128
)

// checkReply refuses what cannot be sent. Structured data alone is an answer:
// platforms that take text alone are sent its JSON.
func checkReply(name string, result executors.Result) error {
	invalid := func(kind conversation.Kind, format string, args ...any) error {
		return &conversation.Error{
			Kind:  kind,
			Op:    fmt.Sprintf("executor %q", name),
			Err:   fmt.Errorf(format, args...),
			Usage: result.Usage,
		}
	}
	text, calls := result.Message.Text(), len(result.Message.ToolCalls())
	if what := notJSON(result); what != "" {
		return invalid(conversation.Invalid, "answered with %s that are not JSON", what)
	}
	switch {
	case result.Message.Role != conversation.RoleAssistant && !(result.End && result.Message.Role == ""):
		return invalid(conversation.Invalid, "answered as %q, not as the assistant", result.Message.Role)
	case strings.TrimSpace(text) == "" && !result.End && calls == 0 && !hasData(result.Message):
		return invalid(conversation.Unavailable, "answered with nothing")
	case calls > maxCalls:
		return invalid(conversation.Unavailable, "calls tools %d times: %d are allowed", calls, maxCalls)
	case !utf8.ValidString(text):
		return invalid(conversation.Unavailable, "answered with text that is not UTF-8")
	case result.Message.Size() > maxReplyBytes:
		return invalid(conversation.Invalid, "answered with %d KiB; at most %d are possible", result.Message.Size()>>10, maxReplyBytes>>10)
	case result.Message.RecordedSize() > maxRecordedReply:
		return invalid(conversation.Invalid, "answered with %d KiB, once it is written as JSON; at most %d are possible", result.Message.RecordedSize()>>10, maxRecordedReply>>10)
	case len(result.State) > maxStateBytes:
		return invalid(conversation.Invalid, "keeps a state of %d KiB in the conversation; at most %d are possible", len(result.State)>>10, maxStateBytes>>10)
	}
	return nil
}

// notJSON names what could not be recorded: a reply that fails as it is recorded would be
// bought again in each attempt.
func notJSON(result executors.Result) string {
	for _, p := range result.Message.Parts {
		switch {
		case len(p.Data) > 0 && !json.Valid(p.Data):
			return "data"
		case p.ToolCall != nil && len(p.ToolCall.Arguments) > 0 && !json.Valid(p.ToolCall.Arguments):
			return fmt.Sprintf("arguments of tool %q", p.ToolCall.Name)
		}
	}
	if len(result.State) > 0 && !json.Valid(result.State) {
		return "the bytes of a state"
	}
	return ""
}

func hasData(m conversation.Message) bool {
	return slices.ContainsFunc(m.Parts, func(p conversation.Part) bool { return p.Type == conversation.PartData && len(p.Data) > 0 })
}

// nameCalls gives calls that came without an id one, so that results find them.
func nameCalls(m conversation.Message, in ReplyInput) {
	for i, p := range m.Parts {
		if p.ToolCall != nil && p.ToolCall.ID == "" {
			p.ToolCall.ID = fmt.Sprintf("call_%d_%d_%d", in.Turn, in.Round, i)
		}
	}
}

// withoutCalls is the result without the tools it calls although none were
// offered: a message with calls is not sent.
func withoutCalls(result executors.Result) executors.Result {
	if len(result.Message.ToolCalls()) == 0 {
		return result
	}
	result.Message.State = nil
	result.Message.Parts = slices.DeleteFunc(slices.Clone(result.Message.Parts), func(p conversation.Part) bool {
		return p.Type == conversation.PartToolCall
	})
	if result.FinishReason == executors.FinishToolCall {
		result.FinishReason = executors.FinishStop
	}
	return result
}
