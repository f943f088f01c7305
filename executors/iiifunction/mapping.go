package iiifunction

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
)

// A mapping translates between the contract and another shape.
type mapping struct {
	body   *translate.Body // nil: the contract's request
	paths  translate.Paths
	mapped bool // the response is not the contract's
}

func newMapping(req wire.RequestMapping, res wire.ResponseMapping, f *settings.Faults) *mapping {
	m := &mapping{paths: translate.Paths(res), mapped: res.Text != ""}
	if req.Body != "" {
		m.body = translate.ParseBody(req.Body, f)
	}
	validate(res, f)
	return m
}

// given reports whether any setting of the response is set.
func given(r wire.ResponseMapping) bool { return mapsPaths(r) || len(r.ErrorKinds) > 0 }

func mapsPaths(r wire.ResponseMapping) bool {
	for _, path := range translate.Paths(r).ByKey() {
		if path != "" {
			return true
		}
	}
	return false
}

func validate(r wire.ResponseMapping, f *settings.Faults) {
	if mapsPaths(r) && r.Text == "" {
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
