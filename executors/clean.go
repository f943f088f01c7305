package executors

import (
	"fmt"
	"slices"

	"github.com/parley-run/parley/internal/printable"
)

// Clean returns the result with its names fit to be kept and shown: provider, model,
// finish reason, names and ids of tool calls, each at most [printable.MaxName] bytes. A
// call whose id is not fit gets another. The message's text stays as it is. The caller of
// an executor passes the result through here, so that no backend need do it.
func Clean(r Result) Result {
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
