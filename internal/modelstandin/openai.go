package modelstandin

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// Chat is OpenAI's Chat Completions API, below /v1. It keeps nothing.
type Chat struct{}

type chatRequest struct {
	Messages []struct {
		Role       conversation.Role `json:"role"`
		Content    string            `json:"content"`
		ToolCallID string            `json:"tool_call_id"`
		ToolCalls  []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string `json:"name"`
				Arguments string `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	} `json:"messages"`
	Tools []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
	Stream bool `json:"stream"`
}

func (Chat) routes(mux *http.ServeMux, s *Service) {
	mux.HandleFunc("GET /v1/models", Write(http.StatusOK, `{"object":"list","data":[]}`))
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var req chatRequest
		if !read(w, r, &req) {
			return
		}
		asked := Asked{Stream: req.Stream, Header: r.Header}
		for _, m := range req.Messages {
			switch {
			case m.Role == conversation.RoleTool:
				asked.Lines = append(asked.Lines, resultLine(m.ToolCallID, m.Content))
			case m.Content != "":
				asked.Lines = append(asked.Lines, line(m.Role, m.Content))
			}
			for _, c := range m.ToolCalls {
				asked.Lines = append(asked.Lines, callLine(c.ID, c.Function.Name, c.Function.Arguments))
			}
		}
		for _, t := range req.Tools {
			asked.Tools = append(asked.Tools, t.Function.Name)
		}
		said := s.think(asked)
		switch {
		case said.By != nil:
			said.By(w, r)
		case req.Stream:
			send := Events(w)
			for _, event := range ChatEvents(said) {
				send(event)
			}
		default:
			Write(http.StatusOK, ChatAnswer(said))(w, r)
		}
	})
}

const chatUsage = `{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}`

// ChatAnswer is an answer that comes in one piece.
func ChatAnswer(said Said) string {
	message, finish := fields{"role": "assistant", "content": said.Text}, "stop"
	if len(said.Calls) > 0 {
		message["tool_calls"], finish = chatCalls(said.Calls), "tool_calls"
	}
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion","model":"standin-1","choices":[{"index":0,"finish_reason":%q,"message":%s}],"usage":%s}`,
		finish, JSON(message), chatUsage)
}

// ChatEvents are an answer that is streamed.
func ChatEvents(said Said) []string {
	finish, out := "stop", []string{ChatDelta(fields{"role": "assistant", "content": ""}, "")}
	if said.Text != "" {
		for _, piece := range halves(said.Text) {
			out = append(out, ChatDelta(fields{"content": piece}, ""))
		}
	}
	for _, call := range chatCalls(said.Calls) {
		out, finish = append(out, ChatDelta(fields{"tool_calls": []any{call}}, "")), "tool_calls"
	}
	return append(out, ChatDelta(fields{}, finish), `{"choices":[],"usage":`+chatUsage+`}`, "[DONE]")
}

// ChatDelta is one event of a streamed answer.
func ChatDelta(delta map[string]any, finish string) string {
	var reason any
	if finish != "" {
		reason = finish
	}
	return JSON(fields{
		"id": "c1", "object": "chat.completion.chunk", "model": "standin-1",
		"choices": []any{fields{"index": 0, "delta": delta, "finish_reason": reason}},
	})
}

func chatCalls(calls []Call) []any {
	var out []any
	for i, c := range calls {
		out = append(out, fields{
			"index": i, "id": c.ID, "type": "function", "function": fields{"name": c.Name, "arguments": c.Arguments},
		})
	}
	return out
}

// Responses is OpenAI's Responses API, below /v1. It keeps what it is told to
// store.
type Responses struct{}

type responsesRequest struct {
	Input []struct {
		Type      string            `json:"type"`
		Role      conversation.Role `json:"role"`
		Content   string            `json:"content"`
		CallID    string            `json:"call_id"`
		Name      string            `json:"name"`
		Arguments string            `json:"arguments"`
		Output    string            `json:"output"`
	} `json:"input"`
	Tools []struct {
		Name string `json:"name"`
	} `json:"tools"`
	Stream   bool   `json:"stream"`
	Store    bool   `json:"store"`
	Previous string `json:"previous_response_id"`
}

func (Responses) routes(mux *http.ServeMux, s *Service) {
	kept := newMemory()
	mux.HandleFunc("GET /v1/models", Write(http.StatusOK, `{"object":"list","data":[]}`))
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		var req responsesRequest
		if !read(w, r, &req) {
			return
		}
		asked := Asked{Stream: req.Stream, Header: r.Header}
		for _, it := range req.Input {
			switch it.Type {
			case "function_call":
				asked.Lines = append(asked.Lines, callLine(it.CallID, it.Name, it.Arguments))
			case "function_call_output":
				asked.Lines = append(asked.Lines, resultLine(it.CallID, it.Output))
			default:
				asked.Lines = append(asked.Lines, line(it.Role, it.Content))
			}
		}
		for _, t := range req.Tools {
			asked.Tools = append(asked.Tools, t.Name)
		}
		before, known := kept.get(req.Previous)
		if req.Previous != "" && !known {
			Write(http.StatusBadRequest, `{"error":{"message":"Previous response not found.","param":"previous_response_id","code":"previous_response_not_found"}}`)(w, r)
			return
		}
		asked.Known = append(before, asked.Lines...)
		said := s.think(asked)
		if said.By != nil {
			said.By(w, r)
			return
		}
		id := kept.next("resp")
		if req.Store {
			kept.put(id, append(asked.Known, said.lines()...))
		}
		answer := responsesAnswer(id, said)
		if !req.Stream {
			Write(http.StatusOK, JSON(answer))(w, r)
			return
		}
		send := Events(w)
		send(JSON(fields{"type": "response.created", "response": fields{"id": id, "status": "in_progress", "output": []any{}}}))
		for i, c := range said.Calls {
			send(JSON(fields{"type": "response.function_call_arguments.delta", "output_index": i, "delta": c.Arguments}))
		}
		for _, piece := range halves(said.Text) {
			if piece != "" {
				send(JSON(fields{"type": "response.output_text.delta", "output_index": len(said.Calls), "delta": piece}))
			}
		}
		send(JSON(fields{"type": "response.completed", "response": answer}))
	})
}

func responsesAnswer(id string, said Said) map[string]any {
	var output []any
	for _, c := range said.Calls {
		output = append(output, fields{"type": "function_call", "id": "fc_" + c.ID, "call_id": c.ID, "name": c.Name, "arguments": c.Arguments})
	}
	if said.Text != "" || len(output) == 0 {
		output = append(output, fields{"type": "message", "role": "assistant", "content": []any{fields{"type": "output_text", "text": said.Text}}})
	}
	return fields{
		"id": id, "object": "response", "status": "completed", "model": "standin-1", "output": output, "error": nil,
		"usage": fields{"input_tokens": 12, "output_tokens": 5, "total_tokens": 17},
	}
}

// OpenAIError is the body of an error. Code is the provider's own word.
func OpenAIError(message, code string) string {
	return JSON(fields{"error": fields{"message": message, "type": strings.ReplaceAll(code, " ", "_"), "code": code}})
}
