package modeltest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
)

// User returns a user message.
func User(text string) conversation.Message { return conversation.Text(conversation.RoleUser, text) }

// Agent returns an assistant message.
func Agent(text string) conversation.Message {
	return conversation.Text(conversation.RoleAssistant, text)
}

// Data returns a user message with structured data, after text if any.
func Data(text, data string) conversation.Message {
	m := conversation.Message{Role: conversation.RoleUser}
	if text != "" {
		m.Parts = append(m.Parts, TextPart(text))
	}
	m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartData, Data: json.RawMessage(data)})
	return m
}

// TextPart returns a text part.
func TextPart(text string) conversation.Part {
	return conversation.Part{Type: conversation.PartText, Text: text}
}

// Call returns a tool call part.
func Call(id, name, arguments string) conversation.Part {
	return conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: id, Name: name, Arguments: json.RawMessage(arguments)}}
}

// Offering returns a request that offers tools.
func Offering(text string, tools ...conversation.Tool) executors.Request {
	req := executortest.Request("c1", text)
	req.Tools = tools
	return req
}

// Called returns the request that follows res, with the results of its tool calls.
func Called(req executors.Request, res executors.Result, results ...conversation.ToolResult) executors.Request {
	req.Messages = append(req.Messages[:len(req.Messages):len(req.Messages)], res.Message)
	for _, r := range results {
		req.Messages = append(req.Messages, conversation.ToolResultMessage(r))
	}
	req.State, req.New = res.State, 1+len(results)
	req.Round++
	req.IdempotencyKey += "+"
	return req
}

// RequireFaults requires that a configuration is rejected with the given faults and
// those that every vendor checks, and no others, and that the error does not show
// the key.
func (v Vendor) RequireFaults(t *testing.T, err error, own ...string) {
	t.Helper()
	require.ErrorContains(t, err, v.Name+": ")
	all := append([]string{
		"api_key contains a space",
		"base_url is no address of a server",
		"base_url contains a user name or password: use api_key or headers",
		"base_url contains a query",
		"max_output_tokens is -1: write 1 or more, or leave it out",
		"max_history_messages is -1",
		"max_reply_bytes is -1",
		"first_token_timeout is 1m0s, longer than timeout, 1s",
		"gap_timeout is -1ns: write more than 0, or leave it out",
		"headers.Bad Name is no name of a header",
		"headers.X-Ok contains a line break",
		"extra.a.b is no name of a field",
		"extra.odd is not for JSON: json: unsupported type",
	}, own...)
	for _, want := range all {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), len(all))
	require.NotContains(t, err.Error(), Key)
}
