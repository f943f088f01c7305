package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/lenient"
)

// Fields that a server needs back with the results of tool calls, as they came. Whole ones
// are objects, and the others come in pieces.
var (
	textFields  = []string{"reasoning_content", "reasoning", "thought_signature"}
	listFields  = []string{"reasoning_details", "thinking_blocks"}
	wholeFields = []string{"extra_content", "provider_specific_fields"}
)

// A state is what the server needs back with the results of the calls in a message.
type state struct {
	// Fields are the message's.
	Fields map[string]json.RawMessage `json:"fields,omitempty"`
	// Calls are the fields of each call, in order. Null: none.
	Calls []map[string]json.RawMessage `json:"calls,omitempty"`
	// Items are the reasoning items of a response.
	Items []reasoning `json:"items,omitempty"`
}

// A reasoning item of a response, as it came.
type reasoning struct {
	// Before counts the calls before it.
	Before int             `json:"before,omitempty"`
	Item   json.RawMessage `json:"item"`
}

// returned are the state's fields received so far.
type returned struct {
	texts  map[string]*strings.Builder
	lists  map[string][]lenient.Object
	wholes map[string]json.RawMessage
	size   int // bytes of all
}

// whole reads the fields of a whole message, or of a call.
func (r *returned) whole(o lenient.Object) {
	for _, key := range slices.Concat(textFields, listFields, wholeFields) {
		if o.Has(key) && string(o[key]) != `""` {
			r.set(key, o[key])
		}
	}
}

func (r *returned) set(key string, value json.RawMessage) {
	if !r.fits(len(value)) {
		return
	}
	if r.wholes == nil {
		r.wholes = map[string]json.RawMessage{}
	}
	r.wholes[key] = bytes.Clone(value)
}

// piece reads the fields of a piece of a message.
func (r *returned) piece(o lenient.Object) {
	for _, key := range textFields {
		var s string
		if !o.Has(key) || json.Unmarshal(o[key], &s) != nil || !r.fits(len(s)) {
			continue
		}
		if r.texts == nil {
			r.texts = map[string]*strings.Builder{}
		}
		if r.texts[key] == nil {
			r.texts[key] = &strings.Builder{}
		}
		r.texts[key].WriteString(s)
	}
	for _, key := range listFields {
		for _, item := range o.List(key) {
			if piece := lenient.Read(item); piece != nil && r.fits(len(item)) {
				if r.lists == nil {
					r.lists = map[string][]lenient.Object{}
				}
				r.lists[key] = merge(r.lists[key], piece)
			}
		}
	}
	for _, key := range wholeFields {
		if o.Has(key) {
			r.set(key, o[key])
		}
	}
}

// fits counts bytes. What is too large is not kept: nothing of it can be returned.
func (r *returned) fits(n int) bool {
	r.size += n
	return r.size <= conversation.MaxProviderState
}

// fields returns the fields as they are sent. Nil: there are none, or too many.
func (r *returned) fields() map[string]json.RawMessage {
	if r.size == 0 || r.size > conversation.MaxProviderState {
		return nil
	}
	out := map[string]json.RawMessage{}
	for key, s := range r.texts {
		if s.Len() > 0 {
			out[key], _ = json.Marshal(s.String()) // cannot fail for a string
		}
	}
	for key, list := range r.lists {
		out[key], _ = json.Marshal(list) // cannot fail: it was decoded
	}
	for key, value := range r.wholes {
		out[key] = value
	}
	if out["reasoning_details"] != nil {
		delete(out, "reasoning") // the same, without its signatures
	}
	return out
}

// pieceFields are those of an item in a list that come in pieces.
var pieceFields = []string{"text", "summary", "data", "thinking"}

// merge adds an item, or a piece of the last one of its index and type.
func merge(list []lenient.Object, piece lenient.Object) []lenient.Object {
	for i, item := range slices.Backward(list) {
		if !sameItem(item, piece) {
			continue
		}
		for key, value := range piece {
			var have, more string
			switch {
			case !piece.Has(key):
			case slices.Contains(pieceFields, key) && json.Unmarshal(item[key], &have) == nil && json.Unmarshal(value, &more) == nil:
				item[key], _ = json.Marshal(have + more) // cannot fail for a string
			default:
				item[key] = value
			}
		}
		list[i] = item
		return list
	}
	return append(list, piece)
}

// sameItem reports whether a piece belongs to the item. Items without an index are whole
// once they are signed.
func sameItem(item, piece lenient.Object) bool {
	same := func(key string) bool {
		return !item.Has(key) || !piece.Has(key) || bytes.Equal(item[key], piece[key])
	}
	if !same("type") || !same("id") {
		return false
	}
	if item.Has("index") || piece.Has("index") {
		return item.Has("index") && piece.Has("index") && same("index")
	}
	return !item.Has("signature") && !strings.Contains(item.Word("type"), "encrypted") && !strings.Contains(item.Word("type"), "redacted")
}

// keep returns the state as it is kept beside the message. Nil: there is none.
func (e *Executor) keep(s state) *conversation.ProviderState {
	if len(s.Fields) == 0 && len(s.Items) == 0 && !slices.ContainsFunc(s.Calls, func(c map[string]json.RawMessage) bool { return len(c) > 0 }) {
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil || len(data) > conversation.MaxProviderState {
		return nil
	}
	return &conversation.ProviderState{Model: e.cfg.Model, Data: data}
}

// kept returns the state beside a message. Another model's is not sent.
func (e *Executor) kept(m conversation.Message) state {
	var s state
	if m.State == nil || m.State.Model != e.cfg.Model || json.Unmarshal(m.State.Data, &s) != nil {
		return state{}
	}
	return s
}
