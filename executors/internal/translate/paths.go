package translate

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
)

// Paths name the places of values in an answer.
type Paths wire.ResponseMapping

// ByKey returns the paths by configuration key.
func (p Paths) ByKey() map[string]string {
	return map[string]string{
		"text": p.Text, "state": p.State, "input_tokens": p.InputTokens, "output_tokens": p.OutputTokens,
		"cached_input_tokens": p.CachedInputTokens, "model": p.Model, "finish_reason": p.FinishReason, "end": p.End,
		"error": p.Error, "error_message": p.ErrorMessage, "error_code": p.ErrorCode,
	}
}

// ValidatePaths adds the faults of the paths in response, by key.
func ValidatePaths(paths map[string]string, f *settings.Faults) {
	for key, path := range paths {
		if path != strings.TrimSpace(path) {
			f.Add("response."+key, "", "is %q, which begins or ends with a space", path)
		}
	}
}

// ValidateKinds adds the faults of response.error_kinds.
func (p Paths) ValidateKinds(f *settings.Faults) {
	for code, kind := range p.ErrorKinds {
		if _, ok := wire.ParseKind(string(kind)); !ok {
			f.Add("response.error_kinds."+code, "", "is %q, which is no kind of error", kind)
		}
	}
}

// Frame reads everything but the text of an answer. If it holds an error, the frame
// has only that and the usage.
func (p Paths) Frame(doc gjson.Result) wire.Frame {
	if reported := p.Reported(doc); reported != nil {
		return wire.Frame{Error: reported, Usage: p.usage(doc)}
	}
	frame := wire.Frame{Usage: p.usage(doc), Model: stringAt(doc, p.Model), FinishReason: stringAt(doc, p.FinishReason)}
	if state := At(doc, p.State); state.Exists() && state.Type != gjson.Null {
		frame.State = json.RawMessage(state.Raw)
	}
	if end := At(doc, p.End); end.Exists() {
		v := end.Bool()
		frame.End = &v
	}
	return frame
}

func (p Paths) usage(doc gjson.Result) *wire.Usage {
	var (
		u     wire.Usage
		found bool
	)
	for _, count := range []struct {
		path string
		to   *int64
	}{{p.InputTokens, &u.InputTokens}, {p.OutputTokens, &u.OutputTokens}, {p.CachedInputTokens, &u.CachedInputTokens}} {
		if n := At(doc, count.path); n.Type == gjson.Number {
			*count.to, found = Count(n), true
		}
	}
	if !found {
		return nil
	}
	return &u
}

// Count returns a number of tokens or calls within bounds; 0 if n is not a number.
func Count(n gjson.Result) int64 {
	if n.Type != gjson.Number || math.IsNaN(n.Num) {
		return 0
	}
	return int64(min(max(n.Num, 0), math.MaxInt32))
}

// Reported returns the error in an answer, or nil.
func (p Paths) Reported(doc gjson.Result) *wire.Error {
	found := At(doc, p.Error)
	if !found.Exists() || found.Type == gjson.Null || found.Type == gjson.False || found.Raw == `""` {
		return nil
	}
	reported := &wire.Error{}
	if found.IsObject() {
		_ = json.Unmarshal([]byte(found.Raw), reported) // fields of another type are skipped
	}
	reported.Message = cmp.Or(stringAt(doc, p.ErrorMessage), reported.Message, found.String())
	if kind := p.ErrorKinds[stringAt(doc, p.ErrorCode)]; kind != "" {
		reported.Kind = string(kind)
	}
	return reported
}

// ParseJSON requires UTF-8 and JSON.
func ParseJSON(data []byte) (gjson.Result, error) {
	switch {
	case !utf8.Valid(data):
		return gjson.Result{}, modelcall.ErrInvalidUTF8
	case !gjson.ValidBytes(data):
		return gjson.Result{}, wire.ErrNotJSON
	}
	return gjson.ParseBytes(data), nil
}

// At returns the value at a path; nothing if the path is empty.
func At(doc gjson.Result, path string) gjson.Result {
	if path == "" {
		return gjson.Result{}
	}
	return doc.Get(path)
}

func stringAt(doc gjson.Result, path string) string { return At(doc, path).String() }
