package modelstandin

import (
	"encoding/json"
	"net/http"

	"github.com/parley-run/parley/conversation"
)

// Messages is Anthropic's Messages API, below /v1. It keeps nothing.
type Messages struct{}

type messagesRequest struct {
	Messages []struct {
		Role    conversation.Role `json:"role"`
		Content []struct {
			Type      string          `json:"type"`
			Text      string          `json:"text"`
			ID        string          `json:"id"`
			Name      string          `json:"name"`
			Input     json.RawMessage `json:"input"`
			ToolUseID string          `json:"tool_use_id"`
			IsError   bool            `json:"is_error"`
			Content   []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Name string `json:"name"`
	} `json:"tools"`
	Stream bool `json:"stream"`
}

func (Messages) routes(mux *http.ServeMux, s *Service) {
	mux.HandleFunc("GET /v1/models/{model}", Write(http.StatusOK, `{"type":"model","id":"standin-1"}`))
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		var req messagesRequest
		q, ok := read(w, r, &req)
		if !ok {
			return
		}
		asked := Asked{Stream: req.Stream, Header: r.Header}
		for _, m := range req.Messages {
			for _, b := range m.Content {
				switch b.Type {
				case "text":
					asked.Lines = append(asked.Lines, line(m.Role, b.Text))
				case "tool_use":
					asked.Lines = append(asked.Lines, callLine(b.ID, b.Name, string(b.Input)))
				case "tool_result":
					text := ""
					for _, c := range b.Content {
						text += c.Text
					}
					asked.Lines = append(asked.Lines, resultLine(b.ToolUseID, text))
				}
			}
		}
		for _, t := range req.Tools {
			asked.Tools = append(asked.Tools, t.Name)
		}
		said := s.think(asked, checkMessages(q, req))
		switch {
		case said.By != nil:
			said.By(w, r)
		case req.Stream:
			streamMessage(w, said)
		default:
			answer := messageStart("end_turn")
			if len(said.Calls) > 0 {
				answer["stop_reason"] = "tool_use"
			}
			answer["content"] = messageBlocks(said)
			Write(http.StatusOK, JSON(answer))(w, r)
		}
	})
}

func messageStart(stop any) map[string]any {
	return fields{
		"id": "msg_1", "type": "message", "role": "assistant", "model": "standin-1", "content": []any{},
		"stop_reason": stop, "stop_sequence": nil, "usage": fields{"input_tokens": 12, "output_tokens": 5},
	}
}

func messageBlocks(said Said) []any {
	var out []any
	if said.Text != "" {
		out = append(out, fields{"type": "text", "text": said.Text})
	}
	for _, c := range said.Calls {
		out = append(out, fields{"type": "tool_use", "id": c.ID, "name": c.Name, "input": arguments(c.Arguments)})
	}
	return out
}

func streamMessage(w http.ResponseWriter, said Said) {
	Events(w)
	send := func(name string, more map[string]any) {
		more["type"] = name
		sendEvent(w, "event: "+name+"\ndata: "+JSON(more))
	}
	send("message_start", fields{"message": messageStart(nil)})
	send("ping", fields{})
	index := 0
	block := func(begin, delta map[string]any, field string, pieces ...string) {
		send("content_block_start", fields{"index": index, "content_block": begin})
		for _, piece := range pieces {
			more := fields{"type": delta["type"], field: piece}
			send("content_block_delta", fields{"index": index, "delta": more})
			send("ping", fields{})
		}
		send("content_block_stop", fields{"index": index})
		index++
	}
	stop := "end_turn"
	if said.Text != "" {
		block(fields{"type": "text", "text": ""}, fields{"type": "text_delta"}, "text", halves(said.Text)...)
	}
	for _, c := range said.Calls {
		stop = "tool_use"
		block(fields{"type": "tool_use", "id": c.ID, "name": c.Name, "input": fields{}},
			fields{"type": "input_json_delta"}, "partial_json", halves(c.Arguments)...)
	}
	send("message_delta", fields{"delta": fields{"stop_reason": stop, "stop_sequence": nil}, "usage": fields{"output_tokens": 5}})
	send("message_stop", fields{})
}

// AnthropicError is the body of an error.
func AnthropicError(message, kind string) string {
	return JSON(fields{"type": "error", "error": fields{"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"})
}
