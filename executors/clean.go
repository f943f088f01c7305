package executors

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// Clean returns the result with its names fit to be kept and shown: provider, model,
// finish reason, names and ids of tool calls, each at most [printable.MaxName] bytes; and
// with its usage plausible. A call whose id is not fit gets another. The message's text
// stays as it is; it loses a provider's state that cannot be recorded or belongs to no tool
// call. The caller of an executor passes the result through here, so that no backend need
// do it.
func Clean(r Result) Result {
	if s := r.Message.State; s != nil {
		kept := *s
		kept.Model = printable.Name(kept.Model, printable.MaxName)
		r.Message.State = &kept
		if len(s.Data) == 0 || len(s.Data) > conversation.MaxProviderState || !json.Valid(s.Data) || len(r.Message.ToolCalls()) == 0 {
			r.Message.State = nil
		}
	}
	r.Usage = r.Usage.Plausible()
	r.Provider = printable.Name(r.Provider, printable.MaxName)
	r.Model = printable.Name(r.Model, printable.MaxName)
	r.FinishReason = FinishReason(printable.Name(string(r.FinishReason), printable.MaxName))
	r.Message.Parts = slices.Clone(r.Message.Parts)
	ids := make(map[string]bool)
	for _, c := range r.Message.ToolCalls() {
		ids[c.ID] = true
	}
	for i, p := range r.Message.Parts {
		if p.ToolCall == nil {
			continue
		}
		c := *p.ToolCall
		c.Name = printable.Name(c.Name, printable.MaxName)
		if !printable.IsName(c.ID, printable.MaxName) {
			for n := i + 1; ; n++ {
				if c.ID = fmt.Sprintf("call_%d", n); !ids[c.ID] {
					break
				}
			}
			ids[c.ID] = true
		}
		r.Message.Parts[i].ToolCall = &c
	}
	return r
}
