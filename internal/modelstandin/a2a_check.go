package modelstandin

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// The codes of JSON-RPC and of the Agent2Agent protocol.
const (
	rpcInvalidRequest  = -32600
	rpcUnknownMethod   = -32601
	rpcInvalidParams   = -32602
	a2aTaskNotFound    = -32001
	a2aNotCancelable   = -32002
	a2aNotForThisAgent = -32004
	a2aVersion         = -32009
)

// An a2aRequest is a request of either version.
type a2aRequest struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  struct {
		ID      string `json:"id"`
		Message struct {
			Kind      string    `json:"kind"`
			MessageID string    `json:"messageId"`
			Role      string    `json:"role"`
			ContextID string    `json:"contextId"`
			TaskID    string    `json:"taskId"`
			Parts     []a2aPart `json:"parts"`
		} `json:"message"`
	} `json:"params"`
}

type a2aPart struct {
	Kind string          `json:"kind"`
	Text string          `json:"text"`
	Data json.RawMessage `json:"data"`
}

// part is what a version requires of a part.
func (a2a03) part(p a2aPart) bool { return p.Kind == "text" || p.Kind == "data" || p.Kind == "file" }

func (a2a10) part(p a2aPart) bool { return (p.Text == "") == (len(p.Data) > 0) }

// message is what a version requires of the kind of a message.
func (a2a03) message(kind string) bool { return kind == "message" }

func (a2a10) message(string) bool { return true } // fields that are not known are ignored

// check is what the protocol requires of a message. Known is whether the agent knows
// the context.
func (a *a2aAgent) check(header http.Header, req a2aRequest, known bool) *refusal {
	bad := func(code int, format string, args ...any) *refusal {
		reason := fmt.Sprintf(format, args...)
		return &refusal{reason, Write(http.StatusOK, JSON(fields{"jsonrpc": "2.0", "id": req.ID, "error": a.words.failure(code, reason)}))}
	}
	m := req.Params.Message
	op := a.words.operation(req.Method)
	switch {
	case req.JSONRPC != "2.0" || len(req.ID) == 0 || string(req.ID) == "null":
		return bad(rpcInvalidRequest, "Request payload validation error")
	case op == a2aUnknown:
		return bad(rpcUnknownMethod, "Method not found")
	case a.words.refuses(header):
		return bad(a2aVersion, "A2A version %q is not supported by this handler", header.Get("A2A-Version"))
	case op == a2aStream && !a.Stream:
		return bad(a2aNotForThisAgent, "This operation is not supported")
	case m.MessageID == "" || m.Role != a.words.role() || !a.words.message(m.Kind) || len(m.Parts) == 0:
		return bad(rpcInvalidParams, "Invalid parameters: message")
	case m.TaskID != "":
		return bad(a2aTaskNotFound, "Task not found")
	case !known:
		return bad(rpcInvalidParams, "Invalid parameters: context %q is not known", m.ContextID)
	}
	for _, p := range m.Parts {
		if !a.words.part(p) {
			return bad(rpcInvalidParams, "Invalid parameters: part of kind %q", p.Kind)
		}
	}
	return nil
}
