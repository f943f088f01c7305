package mcp

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// oddTools removes unreadable tools from lists, which the SDK would reject as a
// whole. It logs each once.
type oddTools struct {
	logger *slog.Logger
	clean  func(string) string

	mu    sync.Mutex
	named map[string]bool
}

// maxNamed bounds how many are logged.
const maxNamed = 100

// response is that of an envelope, without such tools.
func (o *oddTools) response(e envelope, request jsonrpc.ID, d *delivery) *jsonrpc.Response {
	out := e.response(request, d)
	if d == nil && out.Error == nil {
		out.Result = o.without(out.Result)
	}
	return out
}

// without returns the result without such tools. Any other result is returned unchanged.
// How long the server wants a list to be used is left out: the registry decides that.
func (o *oddTools) without(answer json.RawMessage) json.RawMessage {
	if !bytes.Contains(answer, []byte(`"tools"`)) {
		return answer
	}
	var result map[string]json.RawMessage
	var all []json.RawMessage
	if json.Unmarshal(answer, &result) != nil || json.Unmarshal(result["tools"], &all) != nil {
		return answer
	}
	sound := []json.RawMessage{}
	for _, row := range all {
		var tool sdk.Tool
		if err := json.Unmarshal(row, &tool); err != nil || tool.Name == "" {
			o.name(tool.Name)
			continue
		}
		sound = append(sound, row)
	}
	_, lasts := result["ttlMs"]
	if len(sound) == len(all) && !lasts {
		return answer
	}
	delete(result, "ttlMs")
	data, err := json.Marshal(sound)
	if err != nil {
		return answer
	}
	result["tools"] = data
	out, err := json.Marshal(result)
	if err != nil {
		return answer
	}
	return out
}

// name logs the tool that is removed, if its name is readable.
func (o *oddTools) name(tool string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.named[tool] || len(o.named) >= maxNamed {
		return
	}
	if o.named == nil {
		o.named = map[string]bool{}
	}
	o.named[tool] = true
	o.logger.Warn("a tool is left out: its description cannot be read", "tool", o.clean(tool))
}
