package iii

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// ResponseMapping says where an answer has what. Every value but ErrorKinds is a
// path in the words of github.com/tidwall/gjson: "output.content", "@this".
type ResponseMapping struct {
	// Text is where the reply is: a text, or a list of texts or of objects with a
	// text. Empty: the answer is a text, or keeps to the contract, and no other path
	// is used.
	Text string `yaml:"text"`
	// State is where there is something to hand back with the next request.
	State string `yaml:"state"`
	// Where the counts of tokens are.
	InputTokens       string `yaml:"input_tokens"`
	OutputTokens      string `yaml:"output_tokens"`
	CachedInputTokens string `yaml:"cached_input_tokens"`
	Model             string `yaml:"model"`
	FinishReason      string `yaml:"finish_reason"`
	// End is where true ends the conversation.
	End string `yaml:"end"`
	// Error is where there is something if there is an error: neither null, false
	// nor empty.
	Error string `yaml:"error"`
	// ErrorMessage is where its text is. Default: what is at Error.
	ErrorMessage string `yaml:"error_message"`
	// ErrorCode is where its code is, and ErrorKinds what the codes mean: those too
	// that the function fails with.
	ErrorCode  string                       `yaml:"error_code"`
	ErrorKinds map[string]conversation.Kind `yaml:"error_kinds"`
}

// A mapping translates between the contract and another function's words.
type mapping struct {
	body     *bodyTemplate // nil: the contract's request
	response ResponseMapping
	mapped   bool // the response is not the contract's
}

func newMapping(req RequestMapping, res ResponseMapping, f *modelcall.Faults) *mapping {
	m := &mapping{response: res, mapped: res.Text != ""}
	if req.Body != "" {
		m.body = parseBody(req.Body, f)
	}
	res.validate(f)
	return m
}

func (r ResponseMapping) paths() map[string]string {
	return map[string]string{
		"text": r.Text, "state": r.State, "input_tokens": r.InputTokens, "output_tokens": r.OutputTokens,
		"cached_input_tokens": r.CachedInputTokens, "model": r.Model, "finish_reason": r.FinishReason, "end": r.End,
		"error": r.Error, "error_message": r.ErrorMessage, "error_code": r.ErrorCode,
	}
}

// given reports whether anything is said about the response.
func (r ResponseMapping) given() bool { return r.mapsPaths() || len(r.ErrorKinds) > 0 }

func (r ResponseMapping) mapsPaths() bool {
	for _, path := range r.paths() {
		if path != "" {
			return true
		}
	}
	return false
}

func (r ResponseMapping) validate(f *modelcall.Faults) {
	if r.mapsPaths() && r.Text == "" {
		f.Add("response: text is missing: write the path of the reply in the function's answer")
	}
	for key, path := range r.paths() {
		if path != strings.TrimSpace(path) {
			f.Add("response.%s: %q begins or ends with a space", key, path)
		}
	}
	for code, kind := range r.ErrorKinds {
		if _, ok := wire.ParseKind(string(kind)); !ok {
			f.Add("response.error_kinds: %s: %q is no kind of error", code, kind)
		}
	}
}

// answer reads a result by the paths.
func (m *mapping) answer(result json.RawMessage) (wire.Frame, error) {
	doc, err := parseJSON(result)
	if err != nil {
		return wire.Frame{}, err
	}
	r := m.response
	if said := m.reported(doc); said != nil {
		return wire.Frame{Error: said, Usage: m.usage(doc)}, nil
	}
	frame := wire.Frame{Usage: m.usage(doc), Model: at(doc, r.Model).String(), FinishReason: at(doc, r.FinishReason).String()}
	if state := at(doc, r.State); state.Exists() && state.Type != gjson.Null {
		frame.State = json.RawMessage(state.Raw)
	}
	if end := at(doc, r.End); end.Exists() {
		v := end.Bool()
		frame.End = &v
	}
	found := at(doc, r.Text)
	if !found.Exists() {
		return frame, pathError(r.Text, "nothing")
	}
	text, err := textOf(found)
	if err != nil {
		return frame, pathError(r.Text, err.Error())
	}
	frame.Message = &wire.Reply{Text: text}
	return frame, nil
}

func (m *mapping) usage(doc gjson.Result) *wire.Usage {
	r := m.response
	in, out, cached := at(doc, r.InputTokens), at(doc, r.OutputTokens), at(doc, r.CachedInputTokens)
	if !in.Exists() && !out.Exists() && !cached.Exists() {
		return nil
	}
	return &wire.Usage{InputTokens: count(in), OutputTokens: count(out), CachedInputTokens: count(cached)}
}

// reported is the error that the answer has, or nil.
func (m *mapping) reported(doc gjson.Result) *wire.Error {
	r := m.response
	found := at(doc, r.Error)
	if !found.Exists() || found.Type == gjson.Null || found.Type == gjson.False || found.Raw == `""` {
		return nil
	}
	said := &wire.Error{}
	if found.IsObject() {
		_ = json.Unmarshal([]byte(found.Raw), said) // takes whatever there is
	}
	said.Message = cmp.Or(at(doc, r.ErrorMessage).String(), said.Message, found.String())
	if kind := r.ErrorKinds[at(doc, r.ErrorCode).String()]; kind != "" {
		said.Kind = string(kind)
	}
	return said
}

// textOf is the text that a value stands for: itself, or the pieces of a list,
// each a text or an object with one, as models' answers have them.
func textOf(v gjson.Result) (string, error) {
	switch {
	case v.Type == gjson.String:
		return v.Str, nil
	case v.Type == gjson.Null:
		return "", nil
	case v.IsArray():
		var b strings.Builder
		for _, item := range v.Array() {
			if item.IsObject() {
				item = item.Get("text") // other pieces, such as calls of tools, have none
				if !item.Exists() {
					continue
				}
			}
			piece, err := textOf(item)
			if err != nil {
				return "", err
			}
			b.WriteString(piece)
		}
		return b.String(), nil
	case v.IsObject():
		return "", errors.New("an object, and no text")
	}
	return "", fmt.Errorf("a %s, and no text", strings.ToLower(v.Type.String()))
}

// parseJSON requires JSON in UTF-8.
func parseJSON(data []byte) (gjson.Result, error) {
	switch {
	case !utf8.Valid(data):
		return gjson.Result{}, modelcall.ErrInvalidUTF8
	case !gjson.ValidBytes(data):
		return gjson.Result{}, wire.ErrNotJSON
	}
	return gjson.ParseBytes(data), nil
}

func at(doc gjson.Result, path string) gjson.Result {
	if path == "" {
		return gjson.Result{}
	}
	return doc.Get(path)
}

var errPath = errors.New("the answer has no reply where it should be")

func pathError(path, what string) error {
	return fmt.Errorf("%w: at %q is %s", errPath, path, what)
}
