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
	Stream  bool `json:"stream"`
	Options struct {
		Usage bool `json:"include_usage"`
	} `json:"stream_options"`
}

func (Chat) routes(mux *http.ServeMux, s *Service) {
	mux.HandleFunc("GET /v1/models", Write(http.StatusOK, `{"object":"list","data":[]}`))
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var req chatRequest
		q, ok := read(w, r, &req)
		if !ok {
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
		said := s.think(asked, checkChat(q, req))
		switch {
		case said.By != nil:
			said.By(w, r)
		case req.Stream:
			send := Events(w)
			for _, event := range chatEvents(said, req.Options.Usage || s.lenient.Requests) {
				send(event)
			}
		default:
			Write(http.StatusOK, ChatAnswer(said))(w, r)
		}
	})
}

const chatUsage = `{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}`

// ChatAnswer is an answer in one piece.
func ChatAnswer(said Said) string {
	message, finish := fields{"role": "assistant", "content": said.Text}, "stop"
	if len(said.Calls) > 0 {
		message["tool_calls"], finish = chatCalls(said.Calls), "tool_calls"
	}
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion","model":"standin-1","choices":[{"index":0,"finish_reason":%q,"message":%s}],"usage":%s}`,
		finish, JSON(message), chatUsage)
}

// chatEvents are a streamed answer. Usage comes last, and only if the request asks for
// it.
func chatEvents(said Said, usage bool) []string {
	finish, out := "stop", []string{ChatDelta(fields{"role": "assistant", "content": "", "refusal": nil}, "")}
	if said.Text != "" {
		for _, piece := range halves(said.Text) {
			out = append(out, ChatDelta(fields{"content": piece}, ""))
		}
	}
	for i, c := range said.Calls {
		finish = "tool_calls"
		out = append(out, ChatDelta(fields{"tool_calls": []any{fields{
			"index": i, "id": c.ID, "type": "function", "function": fields{"name": c.Name, "arguments": ""},
		}}}, ""))
		for _, piece := range halves(c.Arguments) {
			out = append(out, ChatDelta(fields{"tool_calls": []any{fields{"index": i, "function": fields{"arguments": piece}}}}, ""))
		}
	}
	out = append(out, ChatDelta(fields{}, finish))
	if usage {
		out = append(out, `{"id":"c1","object":"chat.completion.chunk","choices":[],"usage":`+chatUsage+`}`)
	}
	return append(out, "[DONE]")
}

// ChatDelta is one event of a streamed answer.
func ChatDelta(delta map[string]any, finish string) string {
	var reason any
	if finish != "" {
		reason = finish
	}
	return JSON(fields{
		"id": "c1", "object": "chat.completion.chunk", "model": "standin-1",
		"choices": []any{fields{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": nil}},
		"usage":   nil, "obfuscation": "x8Qw",
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

// Responses is OpenAI's Responses API, below /v1. It keeps what a request stores.
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
		q, ok := read(w, r, &req)
		if !ok {
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
		asked.Known = append(before, asked.Lines...)
		said := s.think(asked, checkResponses(q, req, asked.Known, known))
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
		streamResponse(w, id, said, answer)
	})
}

func streamResponse(w http.ResponseWriter, id string, said Said, answer map[string]any) {
	next, emit := 0, Events(w)
	send := func(name string, more map[string]any) {
		more["type"], more["sequence_number"] = name, next
		next++
		emit(JSON(more))
	}
	begun := fields{"id": id, "object": "response", "status": "in_progress", "output": []any{}, "usage": nil}
	send("response.created", fields{"response": begun})
	send("response.in_progress", fields{"response": begun})
	for i, item := range answer["output"].([]any) {
		item := item.(fields)
		send("response.output_item.added", fields{"output_index": i, "item": fields{"type": item["type"], "id": item["id"], "status": "in_progress"}})
		name, text := "response.output_text.delta", said.Text
		if item["type"] == "function_call" {
			name, text = "response.function_call_arguments.delta", said.Calls[i].Arguments
		}
		for _, piece := range halves(text) {
			if piece != "" {
				send(name, fields{"output_index": i, "item_id": item["id"], "delta": piece, "obfuscation": "x8Qw"})
			}
		}
		send("response.output_item.done", fields{"output_index": i, "item": item})
	}
	send("response.completed", fields{"response": answer})
}

func responsesAnswer(id string, said Said) map[string]any {
	var output []any
	for _, c := range said.Calls {
		output = append(output, fields{"type": "function_call", "id": "fc_" + c.ID, "status": "completed", "call_id": c.ID, "name": c.Name, "arguments": c.Arguments})
	}
	if said.Text != "" || len(output) == 0 {
		output = append(output, fields{
			"type": "message", "id": "msg_" + id, "status": "completed", "role": "assistant",
			"content": []any{fields{"type": "output_text", "text": said.Text, "annotations": []any{}, "logprobs": []any{}}},
		})
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
