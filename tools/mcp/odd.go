package mcp

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"

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

// without returns the answer without such tools. Any other answer is returned
// unchanged.
func (o *oddTools) without(answer []byte) []byte {
	if !bytes.Contains(answer, []byte(`"tools"`)) {
		return answer
	}
	var message, result map[string]json.RawMessage
	var all []json.RawMessage
	if json.Unmarshal(answer, &message) != nil || json.Unmarshal(message["result"], &result) != nil || json.Unmarshal(result["tools"], &all) != nil {
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
	if len(sound) == len(all) {
		return answer
	}
	for _, part := range []struct {
		of    map[string]json.RawMessage
		field string
		value any
	}{{result, "tools", sound}, {message, "result", result}} {
		data, err := json.Marshal(part.value)
		if err != nil {
			return answer
		}
		part.of[part.field] = data
	}
	out, err := json.Marshal(message)
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
