// Package peers are services that a worker calls in a chaos run: a model and a tool
// server. Each writes an account of what it did, before anybody learns of it.
package peers

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/parley-run/parley/chaos/internal/account"
)

// A Payment is a line of the model's account: one answer that was computed, and is paid
// for whether or not it arrives.
type Payment struct {
	At time.Time `json:"at"`
	// Token is in the answer: as [#token] in its text, as "token" in the arguments of its
	// tool calls. No two answers have the same.
	Token string `json:"token"`
	// Key is the request's Idempotency-Key, Digest that of its messages.
	Key    string `json:"key"`
	Digest string `json:"digest"`
	// Previous is the token of the newest answer among the messages. Empty: none, so that
	// other conversations may have the same digest.
	Previous string   `json:"previous,omitempty"`
	Calls    []string `json:"calls,omitempty"` // names of the tools called
}

type chatMessage struct {
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
}

type chatRequest struct {
	Messages []chatMessage `json:"messages"`
	Stream   bool          `json:"stream"`
	Tools    []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

var tokens = regexp.MustCompile(`\[#([0-9a-f]+)\]|token\\*":\s*\\*"([0-9a-f]+)`)

// Model is a chat model behind OpenAI's chat completions.
func Model(to *account.Writer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
		var req chatRequest
		if err != nil || json.Unmarshal(body, &req) != nil || len(req.Messages) == 0 {
			http.Error(w, `{"error":{"message":"not a chat request","type":"invalid_request_error"}}`, http.StatusBadRequest)
			return
		}
		p := payment(req, r.Header.Get("Idempotency-Key"))
		time.Sleep(thinking(p.Key))
		p.At = time.Now().UTC()
		if err := to.Write(p); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, req.Stream, p)
	})
	return mux
}

// payment decides on the answer by the request's key, so that a repeated request gets the
// same kind of answer.
func payment(req chatRequest, key string) Payment {
	raw, _ := json.Marshal(req.Messages)
	sum := sha256.Sum256(raw)
	p := Payment{Token: newToken(), Key: key, Digest: hex.EncodeToString(sum[:8])}
	if found := tokens.FindAllStringSubmatch(string(raw), -1); len(found) > 0 {
		last := found[len(found)-1]
		p.Previous = last[1] + last[2]
	}
	offered := map[string]bool{}
	for _, t := range req.Tools {
		offered[t.Function.Name] = true
	}
	if req.Messages[len(req.Messages)-1].Role != "tool" {
		for _, name := range wanted(key) {
			if offered[name] {
				p.Calls = append(p.Calls, name)
			}
		}
	}
	return p
}

// wanted are the tools that the request with this key leads to: none for half of them.
func wanted(key string) []string {
	switch number(key) % 12 {
	case 0, 1:
		return []string{"note"}
	case 2:
		return []string{"pay"}
	case 3:
		return []string{"note", "look"}
	case 4:
		return []string{"note", "note"}
	case 5:
		return []string{"look"}
	default:
		return nil
	}
}

func thinking(key string) time.Duration {
	return 100*time.Millisecond + time.Duration(number(key)>>8%500)*time.Millisecond
}

func number(key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return h.Sum64()
}

func newToken() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func answer(w http.ResponseWriter, stream bool, p Payment) {
	usage := map[string]int{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
	message := map[string]any{"role": "assistant"}
	finish := "stop"
	if len(p.Calls) == 0 {
		message["content"] = fmt.Sprintf("Sorry to read that; I will see to it. [#%s] What is your order number?", p.Token)
	} else {
		finish = "tool_calls"
		var calls []any
		for i, name := range p.Calls {
			calls = append(calls, map[string]any{"index": i, "id": fmt.Sprintf("call_%s_%d", p.Token, i), "type": "function", "function": map[string]any{
				"name": name, "arguments": fmt.Sprintf(`{"token":"%s","n":%d}`, p.Token, i),
			}})
		}
		message["tool_calls"] = calls
	}
	whole := func(object, field, finish string, message map[string]any) map[string]any {
		choice := map[string]any{"index": 0, field: message}
		if finish != "" {
			choice["finish_reason"] = finish
		}
		return map[string]any{"id": "c-" + p.Token, "object": object, "created": p.At.Unix(), "model": "chaos-1", "choices": []any{choice}, "usage": usage}
	}
	if !stream {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(whole("chat.completion", "message", finish, message))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, chunk := range []map[string]any{
		whole("chat.completion.chunk", "delta", "", message),
		whole("chat.completion.chunk", "delta", finish, map[string]any{}),
	} {
		data, _ := json.Marshal(chunk)
		_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(20 * time.Millisecond)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}
