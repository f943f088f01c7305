package openai

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// complete reads a whole answer of the Chat Completions API.
func (a *answer) complete(raw []byte) error {
	if err := errorIn(string(raw)); err != nil {
		return err
	}
	if !json.Valid(raw) {
		return errUnreadable
	}
	a.add(lenient.Read(raw), true)
	return nil
}

// add reads an answer, or a piece of one, and reports whether the model has begun to
// think or write: servers send a piece with only the role when the request arrives.
func (a *answer) add(o lenient.Object, whole bool) (begins bool) {
	if model := o.Word("model"); model != "" {
		a.Model = model
	}
	a.count(o.Object("usage"))
	a.count(o.Object("x_groq").Object("usage"))
	choice := a.choice(o)
	if choice == nil {
		a.counted = a.counted || o.Has("usage") && len(o.List("choices")) == 0
		return false
	}
	a.count(choice.Object("usage"))
	_, tells := choice["finish_reason"]
	a.tells = a.tells || tells
	switch {
	case choice.Has("delta") && choice["delta"][0] == '{' && (len(choice.Object("delta")) > 0 || !choice.Has("message")):
		begins = a.message(choice.Object("delta"), false)
	case choice.Has("delta"):
		begins = a.say(choice["delta"])
	case choice.Has("message"):
		begins = a.repeated(choice.Object("message"), whole)
	case choice.Has("text"):
		begins = a.say(choice["text"])
	}
	a.counted = a.counted && !begins
	return a.end(choice) || begins
}

// choice returns the choice with the index of the first one, of which more are not asked
// for.
func (a *answer) choice(o lenient.Object) lenient.Object {
	for _, raw := range o.List("choices") {
		choice := lenient.Read(raw)
		if choice == nil {
			continue
		}
		i := choice.Index("index")
		if a.only == nil {
			a.only = i
		}
		if i == nil || a.only == nil || *i == *a.only {
			return choice
		}
	}
	return nil
}

// end reads why the model stopped. A gateway's word for it and the one of the server
// behind it may differ: the worse counts.
func (a *answer) end(choice lenient.Object) bool {
	word := func(raw json.RawMessage) string {
		if o := lenient.Read(raw); o != nil {
			raw = o["type"]
		}
		return lenient.Word(raw)
	}
	own, native := word(choice["finish_reason"]), word(choice["native_finish_reason"])
	if own == "" {
		own = word(choice["finish_details"])
	}
	if modelcall.Ended(own) == "" || modelcall.Worse(native, own) {
		own = native
	}
	a.End(own)
	return modelcall.Ended(own) != ""
}

// message reads a message, or a piece of one.
func (a *answer) message(m lenient.Object, whole bool) (begins bool) {
	if whole {
		a.returned.whole(m)
	} else {
		a.returned.piece(m)
	}
	if !a.isThinking(m) {
		begins = a.say(m["content"])
	}
	if refusal := m.Word("refusal"); refusal != "" {
		a.refusal.WriteString(refusal)
	}
	for _, raw := range m.List("tool_calls") {
		a.call(lenient.Read(raw), whole)
	}
	if m.Has("function_call") {
		a.call(lenient.Object{"function": m["function_call"]}, whole)
	}
	for key, value := range m { // servers name reasoning fields differently
		if key != "role" && key != "content" && m.Has(key) && !slices.Contains([]string{`""`, "[]", "{}", "false"}, string(value)) {
			begins = true
		}
	}
	return begins
}

// isThinking reports whether Gemini marks the content as thoughts. Where it puts them
// between tags too, the tags end them.
func (a *answer) isThinking(m lenient.Object) bool {
	return m.Object("extra_content").Object("google").True("thought") &&
		!a.Thoughts.Inside() && !strings.HasPrefix(m.Word("content"), "<")
}

// repeated reads a message in a stream. It may stand in the place of a piece, be the text
// so far, or repeat all at the end.
func (a *answer) repeated(m lenient.Object, whole bool) bool {
	if whole || a.content.Len() == 0 && len(a.Calls) == 0 {
		return a.message(m, whole)
	}
	said, _ := contentText(m["content"])
	if rest, ok := strings.CutPrefix(said, a.content.String()); ok {
		a.content.WriteString(rest)
		a.Say(rest)
	} else if !strings.HasSuffix(a.content.String(), said) {
		a.say(m["content"])
	}
	return true
}

// say reads content.
func (a *answer) say(raw json.RawMessage) bool {
	said, refusal := contentText(raw)
	a.refusal.WriteString(refusal)
	a.content.WriteString(said)
	a.parts = a.parts || len(raw) > 0 && (raw[0] == '[' || raw[0] == '{')
	a.Say(said)
	return said != "" || refusal != "" || a.parts
}

// call reads a call, or a piece of one. Arguments may be an object instead of its text.
func (a *answer) call(o lenient.Object, whole bool) {
	function := o.Object("function")
	if function == nil {
		function = o
	}
	raw := function["arguments"]
	if !function.Has("arguments") {
		raw = function["parameters"]
	}
	arguments := lenient.Word(raw)
	if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
		arguments = string(raw)
	}
	piece := modelcall.Piece{Index: o.Index("index"), ID: o.Word("id"), Name: function.Word("name"), Arguments: arguments}
	var c *modelcall.Call
	if whole {
		c = a.Call(piece.ID, piece.Name)
		c.Write(piece.Arguments)
	} else {
		c = a.AddCall(piece)
	}
	if a.signed == nil {
		a.signed = map[*modelcall.Call]*returned{}
	}
	if a.signed[c] == nil {
		a.signed[c] = &returned{}
	}
	a.signed[c].whole(o)
}

// state returns what the server needs back with the results of the message's calls.
func (e *Executor) chatState(a *answer, m conversation.Message) *conversation.ProviderState {
	s := state{Fields: a.returned.fields()}
	if a.Thoughts.Found() && !a.parts && a.content.Len() <= conversation.MaxProviderState {
		if s.Fields == nil {
			s.Fields = map[string]json.RawMessage{}
		}
		s.Fields["content"], _ = json.Marshal(a.content.String()) // cannot fail for a string
	}
	for i, c := range m.ToolCalls() {
		fields := map[string]json.RawMessage{}
		if i < len(a.Calls) {
			if r := a.signed[a.Calls[i]]; r != nil {
				fields = r.fields()
			}
			if id := a.Calls[i].ID; id != "" && id != c.ID && !a.repeatsID(i) {
				if fields == nil {
					fields = map[string]json.RawMessage{}
				}
				fields["id"], _ = json.Marshal(modelcall.Valid(id)) // cannot fail for a string
			}
		}
		s.Calls = append(s.Calls, fields)
	}
	return e.keep(s)
}

// repeatsID reports whether an earlier call has the id of this one.
func (a *answer) repeatsID(i int) bool {
	return slices.ContainsFunc(a.Calls[:i], func(c *modelcall.Call) bool { return c.ID == a.Calls[i].ID })
}
