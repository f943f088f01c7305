package modelstandin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// Agent is a custom agent behind HTTP, at /reply: it answers with JSON, or with
// server-sent events on request, and keeps conversations by the state that it returns.
type Agent struct {
	// Forgets means that it keeps nothing and returns no state.
	Forgets bool
}

// AgentRequest is the request to an agent behind HTTP or a program, as far as a stand-in
// reads it.
type AgentRequest struct {
	ID           string           `json:"id"`
	Conversation conversation.Ref `json:"conversation"`
	Turn         int              `json:"turn"`
	Messages     []struct {
		Role conversation.Role `json:"role"`
		Text string            `json:"text"`
	} `json:"messages"`
	State json.RawMessage `json:"state"`
}

// Lines are the messages in the request.
func (r AgentRequest) Lines() []string {
	var out []string
	for _, m := range r.Messages {
		out = append(out, line(m.Role, m.Text))
	}
	return out
}

func (a Agent) routes(mux *http.ServeMux, s *Service) {
	kept := newMemory()
	mux.HandleFunc("POST /reply", func(w http.ResponseWriter, r *http.Request) {
		var req AgentRequest
		if _, ok := read(w, r, &req); !ok {
			return
		}
		var session string
		_ = json.Unmarshal(req.State, &session) // none in the first turn
		asked := Asked{Lines: req.Lines(), Stream: strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream"), Header: r.Header}
		before, known := kept.get(session)
		asked.Known = append(before, asked.Lines...)
		said := s.think(asked, checkAgent(req, session == "" || known))
		if said.By != nil {
			said.By(w, r)
			return
		}
		answer := fields{"message": said.Text}
		if !a.Forgets {
			id := kept.next("session")
			kept.put(id, append(asked.Known, said.lines()...))
			answer["state"] = id
		}
		if !asked.Stream {
			Write(http.StatusOK, JSON(answer))(w, r)
			return
		}
		send := Events(w)
		for _, piece := range halves(said.Text) {
			send(JSON(fields{"delta": piece}))
		}
		send(JSON(answer))
	})
}
