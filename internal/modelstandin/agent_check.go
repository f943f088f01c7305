package modelstandin

import (
	"fmt"
	"io"
	"net/http"
	"slices"
)

// The codes of JSON-RPC and of the Agent2Agent protocol.
const (
	rpcInvalidRequest  = -32600
	rpcUnknownMethod   = -32601
	rpcInvalidParams   = -32602
	a2aTaskNotFound    = -32001
	a2aNotForThisAgent = -32004
)

// check is what the protocol requires of a request. Known is whether the agent knows the
// context.
func (a A2A) check(req a2aRequest, known bool) *refusal {
	bad := func(code int, format string, args ...any) *refusal {
		reason := fmt.Sprintf(format, args...)
		body := fields{"jsonrpc": "2.0", "id": req.ID, "error": fields{"code": code, "message": reason}}
		return &refusal{reason, Write(http.StatusOK, JSON(body))}
	}
	m := req.Params.Message
	switch {
	case req.JSONRPC != "2.0" || len(req.ID) == 0 || string(req.ID) == "null":
		return bad(rpcInvalidRequest, "Request payload validation error")
	case req.Method == "message/stream" && !a.Stream:
		return bad(a2aNotForThisAgent, "This operation is not supported")
	case req.Method != "message/stream" && req.Method != "message/send":
		return bad(rpcUnknownMethod, "Method not found")
	case m.MessageID == "" || m.Role != "user" || m.Kind != "message" || len(m.Parts) == 0:
		return bad(rpcInvalidParams, "Invalid parameters: message")
	case m.TaskID != "":
		return bad(a2aTaskNotFound, "Task not found")
	case !known:
		return bad(rpcInvalidParams, "Invalid parameters: context %q is not known", m.ContextID)
	}
	for _, p := range m.Parts {
		if !slices.Contains([]string{"text", "data", "file"}, p.Kind) {
			return bad(rpcInvalidParams, "Invalid parameters: part of kind %q", p.Kind)
		}
	}
	return nil
}

// checkAgent is what a custom agent requires. Known is whether it knows the state.
func checkAgent(req AgentRequest, known bool) *refusal {
	reason := ""
	switch {
	case req.Conversation.ID == "":
		reason = "conversation is required"
	case !known:
		reason = "no such session"
	default:
		return nil
	}
	return &refusal{reason, Write(http.StatusUnprocessableEntity, JSON(fields{"detail": reason}))}
}

// page is the answer of a proxy that does not know the protocol behind it.
func page(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body><h1>"+http.StatusText(status)+"</h1></body></html>\n")
	}
}

func (Agent) limited() http.HandlerFunc    { return page(http.StatusTooManyRequests, "Retry-After", "1") }
func (Agent) overloaded() http.HandlerFunc { return page(http.StatusServiceUnavailable) }
func (A2A) limited() http.HandlerFunc      { return page(http.StatusTooManyRequests, "Retry-After", "1") }
func (A2A) overloaded() http.HandlerFunc   { return page(http.StatusServiceUnavailable) }
