package http

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// ResponseMapping says where an answer has what. Every value but ErrorKinds is a
// path in the words of github.com/tidwall/gjson: "output.content",
// "messages.@reverse.0.content", "@this".
type ResponseMapping struct {
	// Text is where the reply is: a text, or a list of texts or of objects with a
	// text. Empty: the answer keeps to the contract, and no other path is used.
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
	// ErrorCode is where its code is, and ErrorKinds what the codes mean.
	ErrorCode  string                       `yaml:"error_code"`
	ErrorKinds map[string]conversation.Kind `yaml:"error_kinds"`
	// Stream is for answers that come as server-sent events. The paths above,
	// other than Text, apply to the data of each event too.
	Stream StreamMapping `yaml:"stream"`
}

// StreamMapping says what the events of a stream mean.
type StreamMapping struct {
	// Events are the names of those that have text. Default: all.
	Events []string `yaml:"events"`
	// Delta is where the next piece of the text is in an event's data.
	Delta string `yaml:"delta"`
	// Text is where the whole text so far is. The last one counts.
	Text string `yaml:"text"`
	// Done is the data, and DoneEvent the name, of the event that ends the stream.
	// Without both, the end of the response ends it.
	Done      string `yaml:"done"`
	DoneEvent string `yaml:"done_event"`
	// ErrorEvent is the name of events that report an error.
	ErrorEvent string `yaml:"error_event"`
}

// A mapping translates between the contract and another agent's words. Nil
// translates nothing.
type mapping struct {
	body     *bodyTemplate // nil: the contract's request
	response ResponseMapping
	mapped   bool // the response is not the contract's
}

// newMapping returns nil where nothing is mapped.
func newMapping(req RequestMapping, res ResponseMapping, f *modelcall.Faults) *mapping {
	m := &mapping{response: res, mapped: res.Text != "" || res.Stream.Delta != "" || res.Stream.Text != ""}
	if req.Body != "" {
		m.body = parseBody(req.Body, f)
	}
	res.validate(f)
	if m.body == nil && !m.mapped {
		return nil
	}
	return m
}

func (r ResponseMapping) paths() map[string]string {
	return map[string]string{
		"text": r.Text, "state": r.State, "input_tokens": r.InputTokens, "output_tokens": r.OutputTokens,
		"cached_input_tokens": r.CachedInputTokens, "model": r.Model, "finish_reason": r.FinishReason, "end": r.End,
		"error": r.Error, "error_message": r.ErrorMessage, "error_code": r.ErrorCode,
		"stream.delta": r.Stream.Delta, "stream.text": r.Stream.Text,
	}
}

func (r ResponseMapping) validate(f *modelcall.Faults) {
	given := slices.ContainsFunc(slices.Collect(maps.Values(r.paths())), func(p string) bool { return p != "" })
	s := r.Stream
	given = given || len(s.Events) > 0 || s.Done != "" || s.DoneEvent != "" || s.ErrorEvent != ""
	if given && r.Text == "" && s.Delta == "" && s.Text == "" {
		f.Add("response: text is missing: write the path of the reply in the agent's answer")
	}
	for key, path := range r.paths() {
		if path != strings.TrimSpace(path) {
			f.Add("response.%s: %q begins or ends with a space", key, path)
		}
	}
	if s.Delta != "" && s.Text != "" {
		f.Add("response.stream has both delta and text: give the one that the events have")
	}
	if r.ErrorCode == "" && len(r.ErrorKinds) > 0 {
		f.Add("response.error_kinds: error_code is missing: write the path of the code")
	}
	for code, kind := range r.ErrorKinds {
		if _, ok := wire.ParseKind(string(kind)); !ok {
			f.Add("response.error_kinds: %s: %q is no kind of error", code, kind)
		}
	}
}

func (m *mapping) mapsRequest() bool { return m != nil && m.body != nil }

func (m *mapping) mapsResponse() bool { return m != nil && m.mapped }

// answer reads an answer that came in one piece.
func (m *mapping) answer(data []byte) (wire.Frame, error) {
	if !m.mapsResponse() {
		return wire.ParseFrame(data)
	}
	doc, err := parseJSON(data)
	if err != nil {
		return wire.Frame{}, err
	}
	frame, err := m.fields(doc)
	if err != nil || frame.Error != nil {
		return frame, err
	}
	text, err := textAt(doc, "text", m.response.Text)
	if err != nil {
		return frame, err
	}
	frame.Message = &wire.Reply{Text: text}
	return frame, nil
}

// doneMarker is what many streams end with, whatever their events are.
const doneMarker = "[DONE]"

// event reads one event of a stream, and says whether it is the last.
func (m *mapping) event(e event) (frame wire.Frame, final bool, err error) {
	if !m.mapsResponse() {
		return plainEvent(e)
	}
	s := m.response.Stream
	switch {
	case s.Done != "" && string(e.data) == s.Done, s.DoneEvent != "" && e.name == s.DoneEvent:
		return frame, true, nil
	case s.Delta == "" && s.Text == "":
		return frame, false, pathError("stream.delta", "", "missing: the agent streams")
	case string(e.data) == doneMarker: // not the one expected, and no JSON either
		return frame, m.endsWithStream(), nil
	}
	isError := s.ErrorEvent != "" && e.name == s.ErrorEvent
	hasText := len(s.Events) == 0 || slices.Contains(s.Events, e.name)
	if !isError && !hasText && !gjson.ValidBytes(e.data) {
		return frame, false, nil // events of no concern may have any data
	}
	doc, err := parseJSON(e.data)
	if isError {
		said := m.reported(doc)
		if said == nil {
			said = &wire.Error{Message: cmp.Or(doc.Get("message").String(), string(e.data))}
		}
		return wire.Frame{Error: said}, true, nil
	}
	if err != nil {
		return frame, false, err
	}
	if frame, err = m.fields(doc); err != nil || !hasText || frame.Error != nil {
		return frame, false, err
	}
	if s.Delta != "" {
		if piece := doc.Get(s.Delta); piece.Exists() {
			text, err := textOf(piece)
			if err != nil {
				return frame, false, pathError("stream.delta", s.Delta, err.Error())
			}
			frame.Delta = &text
		}
		return frame, false, nil
	}
	if whole := doc.Get(s.Text); whole.Exists() {
		text, err := textOf(whole)
		if err != nil {
			return frame, false, pathError("stream.text", s.Text, err.Error())
		}
		frame.Message = &wire.Reply{Text: text}
	}
	return frame, false, nil
}

// plainEvent reads an event of the contract. Its name does not matter, unless it
// says that the data is an error.
func plainEvent(e event) (wire.Frame, bool, error) {
	if string(e.data) == doneMarker {
		return wire.Frame{}, true, nil
	}
	frame, err := wire.ParseFrame(e.data)
	if err != nil {
		return frame, false, err
	}
	if e.name == "error" && frame.Error == nil {
		said := &wire.Error{Message: string(e.data)}
		if frame.Message != nil && frame.Message.Text != "" {
			said.Message = frame.Message.Text
		}
		frame.Error = said
	}
	return frame, frame.Final(), nil
}

// endsWithStream reports whether nothing but its end tells that a stream is
// complete.
func (m *mapping) endsWithStream() bool {
	return m.mapsResponse() && m.response.Stream.Done == "" && m.response.Stream.DoneEvent == ""
}

// fields reads all but the text.
func (m *mapping) fields(doc gjson.Result) (wire.Frame, error) {
	r := m.response
	if said := m.reported(doc); said != nil {
		return wire.Frame{Error: said, Usage: m.usage(doc)}, nil
	}
	frame := wire.Frame{Usage: m.usage(doc), Model: stringAt(doc, r.Model), FinishReason: stringAt(doc, r.FinishReason)}
	if state := at(doc, r.State); state.Exists() && state.Type != gjson.Null {
		frame.State = json.RawMessage(state.Raw)
	}
	if end := at(doc, r.End); end.Exists() {
		v := end.Bool()
		frame.End = &v
	}
	return frame, nil
}

func (m *mapping) usage(doc gjson.Result) *wire.Usage {
	r := m.response
	var (
		u     wire.Usage
		found bool
	)
	for path, to := range map[string]*int64{r.InputTokens: &u.InputTokens, r.OutputTokens: &u.OutputTokens, r.CachedInputTokens: &u.CachedInputTokens} {
		if n := at(doc, path); n.Type == gjson.Number {
			*to, found = int64(min(max(n.Num, 0), math.MaxInt32)), true
		}
	}
	if !found {
		return nil
	}
	return &u
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
	said.Message = cmp.Or(stringAt(doc, r.ErrorMessage), said.Message, found.String())
	if kind := r.ErrorKinds[stringAt(doc, r.ErrorCode)]; kind != "" {
		said.Kind = string(kind)
	}
	return said
}

// parseJSON requires JSON in UTF-8.
func parseJSON(data []byte) (gjson.Result, error) {
	switch {
	case !utf8.Valid(data):
		return gjson.Result{}, modelcall.ErrInvalidUTF8
	case gjson.ValidBytes(data):
		return gjson.ParseBytes(data), nil
	}
	var v any // for the reason
	if err := json.Unmarshal(data, &v); err != nil && err.Error() == "unexpected end of JSON input" {
		return gjson.Result{}, modelcall.ErrCutOff
	}
	return gjson.Result{}, wire.ErrNotJSON
}

func at(doc gjson.Result, path string) gjson.Result {
	if path == "" {
		return gjson.Result{}
	}
	return doc.Get(path)
}

func stringAt(doc gjson.Result, path string) string { return at(doc, path).String() }
