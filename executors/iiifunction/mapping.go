package iiifunction

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
)

// RequestMapping makes requests in another function's words.
type RequestMapping struct {
	// Body is a template (text/template) of the JSON to call the function with. It
	// sees the fields of wire.Request, with State decoded, and two more: NewMessages,
	// those that the function has not seen, and Input, their text. Every value goes
	// through the function json. Empty: the contract's own request.
	Body string `yaml:"body"`
}

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
	body   *translate.Body // nil: the contract's request
	paths  translate.Paths
	mapped bool // the response is not the contract's
}

func newMapping(req RequestMapping, res ResponseMapping, f *settings.Faults) *mapping {
	m := &mapping{paths: translate.Paths(res), mapped: res.Text != ""}
	if req.Body != "" {
		m.body = translate.ParseBody(req.Body, f)
	}
	res.validate(f)
	return m
}

// given reports whether anything is said about the response.
func (r ResponseMapping) given() bool { return r.mapsPaths() || len(r.ErrorKinds) > 0 }

func (r ResponseMapping) mapsPaths() bool {
	for _, path := range translate.Paths(r).ByKey() {
		if path != "" {
			return true
		}
	}
	return false
}

func (r ResponseMapping) validate(f *settings.Faults) {
	if r.mapsPaths() && r.Text == "" {
		f.Add("response.text", "write the path of the reply in the function's answer", "is missing")
	}
	translate.ValidatePaths(translate.Paths(r).ByKey(), f)
	translate.Paths(r).ValidateKinds(f)
}

// answer reads a result by the paths.
func (m *mapping) answer(result json.RawMessage) (wire.Frame, error) {
	doc, err := translate.ParseJSON(result)
	if err != nil {
		return wire.Frame{}, err
	}
	frame := m.paths.Frame(doc)
	if frame.Error != nil {
		return frame, nil
	}
	text, err := translate.TextAt(doc, m.paths.Text)
	if err != nil {
		return frame, pathError(m.paths.Text, err.Error())
	}
	frame.Message = &wire.Reply{Text: text}
	return frame, nil
}

var errPath = errors.New("the answer has no reply where it should be")

func pathError(path, what string) error {
	return fmt.Errorf("%w: at %q is %s", errPath, path, what)
}
