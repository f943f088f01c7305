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

// RequestMapping builds requests of another shape than the contract's.
type RequestMapping struct {
	// Body is a template (text/template) of the call's JSON data. It has the fields of
	// wire.Request, with State decoded, and two more: NewMessages, the messages that are
	// new to the function, and Input, their text. Every value must go through the
	// function json. Empty: the contract's request.
	Body string `yaml:"body"`
}

// ResponseMapping has the paths of an answer's parts. Every value but ErrorKinds is a path
// of github.com/tidwall/gjson, such as "output.content" or "@this". Empty: the answer has
// no such part.
type ResponseMapping struct {
	// Text is the path of the reply: a text, or a list of texts or of objects with a
	// text. Empty: the answer is a text or follows the contract, and no other path is
	// used.
	Text string `yaml:"text"`
	// State is the path of the state that is sent with the next request.
	State string `yaml:"state"`
	// InputTokens, OutputTokens and CachedInputTokens are the paths of token counts.
	InputTokens       string `yaml:"input_tokens"`
	OutputTokens      string `yaml:"output_tokens"`
	CachedInputTokens string `yaml:"cached_input_tokens"`
	Model             string `yaml:"model"`
	FinishReason      string `yaml:"finish_reason"`
	// End is the path of a value that ends the conversation if it is true.
	End string `yaml:"end"`
	// Error is the path of a value that reports an error unless it is null, false or
	// empty.
	Error string `yaml:"error"`
	// ErrorMessage is the path of the error's text. Default: Error.
	ErrorMessage string `yaml:"error_message"`
	// ErrorCode is the path of the error's code. ErrorKinds maps codes to kinds, also
	// those of errors that the function fails with.
	ErrorCode  string                       `yaml:"error_code"`
	ErrorKinds map[string]conversation.Kind `yaml:"error_kinds"`
}

// A mapping translates between the contract and another shape.
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

// given reports whether any setting of the response is set.
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

// answer decodes a result by the paths.
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

var errPath = errors.New("the answer has no reply at its path")

func pathError(path, what string) error {
	return fmt.Errorf("%w: at %q is %s", errPath, path, what)
}
