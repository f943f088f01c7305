package iiiserve

import (
	"encoding/json"
	"strings"

	"github.com/parley-run/parley/iii"
)

// functions returns the functions that the server serves.
func (s *Server) functions() []iii.Function {
	all := []iii.Function{
		{
			ID: s.id("start"), Handler: handler(s, s.sends, s.start),
			Description: "Open a durable conversation with an agent, by its first message or with a persona function as the user",
			RequestFormat: object("", "agentId: string; conversationId: string; message: string; messageId: string; "+
				"personaFunction: string; agentFirst: boolean; metadata: object; idleTimeout: string|number"),
			ResponseFormat: object("conversationId workflowId started",
				"conversationId: string; workflowId: string; started: boolean; reply: string; turn: integer; ended: boolean"),
		},
		{
			ID: s.id("send"), Handler: handler(s, s.sends, s.send),
			Description:   "Send a message to a conversation and wait for the agent's reply; the same messageId gets the same reply",
			RequestFormat: object("conversationId message", "conversationId: string; agentId: string; message: string; messageId: string"),
			ResponseFormat: object("conversationId messageId reply turn ended",
				"conversationId: string; messageId: string; reply: string; parts: array; turn: integer; ended: boolean"),
		},
		{
			ID: s.id("get"), Handler: handler(s, s.reads, s.get),
			Description:    "Read a conversation: its status and its messages",
			RequestFormat:  object("conversationId", "conversationId: string; agentId: string; from: integer"),
			ResponseFormat: object("conversationId status open messages", summaryFields+"; detail: string; attention: object; usage: object; total: integer; messages: array"),
		},
		{
			ID: s.id("list"), Handler: handler(s, s.reads, s.list),
			Description:    "List conversations, the newest first",
			RequestFormat:  object("", "agentId: string; status: string; limit: integer"),
			ResponseFormat: object("conversations total", "conversations: array; total: integer"),
		},
		{
			ID: s.id("end"), Handler: handler(s, s.reads, s.end),
			Description:    "End a conversation",
			RequestFormat:  object("conversationId", "conversationId: string; agentId: string; reason: string"),
			ResponseFormat: object("conversationId ended", "conversationId: string; ended: boolean"),
		},
	}
	if s.cfg.Inbox != "" {
		all = append(all, iii.Function{
			ID: s.id(ingest), Handler: overHTTP(s.ingest),
			Description:   "Start a conversation from a message of the topic " + s.cfg.Inbox,
			RequestFormat: all[0].RequestFormat, ResponseFormat: all[0].ResponseFormat,
		})
	}
	if s.cfg.AgentChat {
		all = append(all, iii.Function{
			ID: chatFunction, Handler: handler(s, s.sends, s.chat),
			Description:    "Chat with an agent; the session is a durable conversation",
			RequestFormat:  object("agentId message", "agentId: string; message: string; sessionId: string; systemPrompt: string; messageId: string"),
			ResponseFormat: object("content iterations", "content: string; model: string|null; usage: object|null; iterations: integer; durationMs: integer"),
		})
	}
	for i := range all {
		all[i].Metadata = json.RawMessage(`{"category":"conversation","service":"parley"}`)
	}
	return all
}

const summaryFields = "conversationId: string; workflowId: string; agentId: string; personaFunction: string; status: string; " +
	"open: boolean; turns: integer; outcome: string; endedBy: string; started: string; ended: string"

// object is the JSON Schema of an object with these fields, "name: type|type; …", and the
// required ones, separated by spaces.
func object(required, fields string) json.RawMessage {
	properties := make(map[string]any)
	for _, field := range strings.Split(fields, "; ") {
		name, kind, _ := strings.Cut(field, ": ")
		if types := strings.Split(kind, "|"); len(types) > 1 {
			properties[name] = map[string]any{"type": types}
		} else {
			properties[name] = map[string]any{"type": kind}
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if required != "" {
		schema["required"] = strings.Fields(required)
	}
	encoded, err := json.Marshal(schema)
	if err != nil {
		panic(err) // maps of strings encode
	}
	return encoded
}
