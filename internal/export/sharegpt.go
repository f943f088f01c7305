package export

import (
	"encoding/json"

	"github.com/parley-run/parley/conversation"
)

// turn is one of ShareGPT's. From is system, human, gpt, function_call or observation.
type turn struct {
	From  string `json:"from"`
	Value string `json:"value"`
}

// shareGPT joins neighbours of one side: readers expect the sides to alternate.
func (w *Writer) shareGPT(entries []entry) []turn {
	var out []turn
	if w.System != "" && entries[0].role != conversation.RoleSystem {
		out = append(out, turn{"system", w.Redact.Text(w.System)})
	}
	add := func(from, value string) {
		if n := len(out); n > 0 && out[n-1].From == from && from != "function_call" && from != "observation" {
			out[n-1].Value += "\n\n" + value
			w.leave("borders between messages of one side, which were joined")
			return
		}
		out = append(out, turn{from, value})
	}
	names := map[conversation.Role]string{conversation.RoleSystem: "system", conversation.RoleUser: "human", conversation.RoleAssistant: "gpt", conversation.RoleTool: "observation"}
	pending := []result{}
	for i, e := range entries {
		switch {
		case len(e.calls) > 0:
			if e.text != "" {
				w.leave("texts beside tool calls")
			}
			add("function_call", functionCall(e.calls))
		case len(e.results) > 0:
			// The results of one round may be several messages.
			pending = append(pending, e.results...)
			if i+1 < len(entries) && len(entries[i+1].results) > 0 {
				continue
			}
			add("observation", observation(pending))
			pending = pending[:0]
		default:
			add(names[e.role], e.text)
		}
	}
	return out
}

// functionCall is an object, or an array of them if there are several calls.
func functionCall(calls []call) string {
	type object struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	all := make([]object, len(calls))
	for i, c := range calls {
		all[i] = object{c.name, c.object()}
	}
	if len(all) == 1 {
		return marshal(all[0])
	}
	return marshal(all)
}

func observation(results []result) string {
	if len(results) == 1 {
		return results[0].content
	}
	all := make([]string, len(results))
	for i, r := range results {
		all[i] = r.content
	}
	return marshal(all)
}

// marshal writes strings and valid JSON only: it cannot fail.
func marshal(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}
