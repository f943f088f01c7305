package a2a

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// newest is how many messages of a task's history are requested: some agents put
// their last message only there.
const newest = 4

// message returns the message to send: what the agent has not received, in the
// context and task that it knows.
func (x *exchange) message(m memory) outgoing {
	return outgoing{
		id: x.messageID(), context: m.Context, task: m.Task,
		parts: x.parts(x.newMessages(m)), accept: x.cfg.Accept, history: newest,
	}
}

// messageID is the same for all attempts of a request, so that an agent can
// recognise a message it has received.
func (x *exchange) messageID() string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(modelcall.CallKey(x.req))).String()
}

// text returns the texts as the agent may repeat them.
func (m outgoing) text() string {
	var all []string
	for _, p := range m.parts {
		if p.data == nil {
			all = append(all, p.text)
		}
	}
	return strings.Join(all, blank)
}

// newMessages returns the messages to send.
func (x *exchange) newMessages(m memory) []conversation.Message {
	all := x.req.Messages
	if m.Context == "" && m.Task == "" {
		return all
	}
	return all[len(all)-min(max(x.req.New, 0), len(all)):]
}

// parts returns the messages as parts of one: in the protocol a client sends user
// messages only. Messages of other roles precede them as a transcript.
func (x *exchange) parts(messages []conversation.Message) []outgoingPart {
	last := 0
	for i, m := range messages {
		if m.Role != conversation.RoleUser {
			last = i + 1
		}
	}
	var out []outgoingPart
	if streamed := transcript(messages[:last]); streamed != "" {
		out = append(out, outgoingPart{text: streamed})
	}
	failure := len(out)
	for _, m := range messages[last:] {
		for _, p := range m.Parts {
			out = x.part(out, p)
		}
	}
	if len(out) == failure && (last == 0 || !hasDialogue(messages)) {
		out = append(out, outgoingPart{text: x.cfg.Opening})
	}
	return out
}

func (x *exchange) part(out []outgoingPart, p conversation.Part) []outgoingPart {
	switch {
	case p.Type == conversation.PartText && strings.TrimSpace(p.Text) != "":
		return append(out, outgoingPart{text: modelcall.Valid(p.Text)})
	case p.Type == conversation.PartData && len(p.Data) > 0:
		if object := decodeObject(p.Data); object != nil && x.agent.data {
			return append(out, outgoingPart{data: object})
		}
		return append(out, outgoingPart{text: modelcall.Valid(string(p.Data))})
	}
	return out
}

// decodeObject decodes an object and keeps numbers unchanged. It returns nil for
// anything else: data parts must be objects.
func decodeObject(data []byte) map[string]any {
	var out map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&out) != nil {
		return nil
	}
	return out
}

// hasDialogue reports whether the messages have one that is not a system message.
func hasDialogue(messages []conversation.Message) bool {
	for _, m := range messages {
		if m.Role != conversation.RoleSystem {
			return true
		}
	}
	return false
}

// speakers are the names of roles in a transcript.
var speakers = map[conversation.Role]string{
	conversation.RoleSystem:    "Note",
	conversation.RoleUser:      "User",
	conversation.RoleAssistant: "Agent",
	conversation.RoleTool:      "Tool",
}

// transcript returns the earlier messages as text, for an agent that has not
// received them.
func transcript(messages []conversation.Message) string {
	var lines []string
	for _, m := range messages {
		text := modelcall.Content(m)
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				text = strings.TrimSpace(text + "\n\n" + modelcall.Valid(p.ToolResult.Content))
			}
		}
		if text != "" {
			lines = append(lines, speakers[m.Role]+": "+text)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return "The conversation so far:\n\n" + strings.Join(lines, "\n\n")
}
