package modelstandin

import (
	"encoding/json"
	"net/http"

	"github.com/parley-run/parley/conversation"
)

// A2A is an agent that speaks the Agent2Agent protocol over JSON-RPC, with its card
// below the service's address. It answers with messages, streamed if Stream is set, and
// keeps conversations by their context.
type A2A struct{ Stream bool }

type a2aRequest struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  struct {
		Message struct {
			Kind      string `json:"kind"`
			MessageID string `json:"messageId"`
			Role      string `json:"role"`
			ContextID string `json:"contextId"`
			TaskID    string `json:"taskId"`
			Parts     []struct {
				Kind string `json:"kind"`
				Text string `json:"text"`
			} `json:"parts"`
		} `json:"message"`
	} `json:"params"`
}

func (a A2A) routes(mux *http.ServeMux, s *Service) {
	kept := newMemory()
	mux.HandleFunc("GET /.well-known/agent-card.json", func(w http.ResponseWriter, r *http.Request) {
		Write(http.StatusOK, JSON(fields{
			"name": "standin-1", "description": "stands in", "version": "1", "protocolVersion": "0.3.0",
			"url": "http://" + r.Host + "/rpc", "preferredTransport": "JSONRPC",
			"capabilities":      fields{"streaming": a.Stream},
			"defaultInputModes": []string{"text/plain"}, "defaultOutputModes": []string{"text/plain"}, "skills": []any{},
		}))(w, r)
	})
	mux.HandleFunc("POST /rpc", func(w http.ResponseWriter, r *http.Request) {
		var req a2aRequest
		if _, ok := read(w, r, &req); !ok {
			return
		}
		asked := Asked{Stream: req.Method == "message/stream", Header: r.Header}
		for _, p := range req.Params.Message.Parts {
			asked.Lines = append(asked.Lines, line(conversation.RoleUser, p.Text))
		}
		id := req.Params.Message.ContextID
		before, known := kept.get(id)
		asked.Known = append(before, asked.Lines...)
		said := s.think(asked, a.check(req, id == "" || known))
		if said.By != nil {
			said.By(w, r)
			return
		}
		if id == "" {
			id = kept.next("context")
		}
		kept.put(id, append(asked.Known, said.lines()...))
		answer := JSON(fields{"jsonrpc": "2.0", "id": req.ID, "result": fields{
			"kind": "message", "messageId": kept.next("message"), "contextId": id, "role": "agent",
			"parts": []any{fields{"kind": "text", "text": said.Text}},
		}})
		if asked.Stream {
			Events(w)(answer)
			return
		}
		Write(http.StatusOK, answer)(w, r)
	})
}
