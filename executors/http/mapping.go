package http

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
)

// ResponseMapping names the places of values in an answer, streamed or whole.
type ResponseMapping struct {
	wire.ResponseMapping `yaml:",inline"`

	// Stream maps answers that are server-sent events. The other paths, except Text,
	// apply to the data of each event.
	Stream StreamMapping `yaml:"stream"`
}

// StreamMapping maps the events of a stream.
type StreamMapping struct {
	// Events are the names of the events with text. Default: all.
	Events []string `yaml:"events"`
	// Delta is the path of the next piece of text in an event's data.
	Delta string `yaml:"delta"`
	// Text is the path of the whole text so far. The last one counts.
	Text string `yaml:"text"`
	// Done is the data, and DoneEvent the name, of the event that ends the stream.
	// Without both, the end of the response ends it.
	Done      string `yaml:"done"`
	DoneEvent string `yaml:"done_event"`
	// ErrorEvent is the name of events that report an error. Empty: no event does.
	ErrorEvent string `yaml:"error_event"`
}

// A mapping translates between the contract and another format. Nil translates
// nothing.
type mapping struct {
	body   *translate.Body // nil: the contract's request
	paths  translate.Paths
	stream StreamMapping
	mapped bool // the response has another format
}

// newMapping returns nil if nothing is mapped.
func newMapping(req wire.RequestMapping, res ResponseMapping, f *settings.Faults) *mapping {
	m := &mapping{paths: res.paths(), stream: res.Stream, mapped: res.Text != "" || res.Stream.Delta != "" || res.Stream.Text != ""}
	if req.Body != "" {
		m.body = translate.ParseBody(req.Body, f)
	}
	res.validate(f)
	if m.body == nil && !m.mapped {
		return nil
	}
	return m
}

func (r ResponseMapping) paths() translate.Paths { return translate.Paths(r.ResponseMapping) }

func (r ResponseMapping) validate(f *settings.Faults) {
	s, paths := r.Stream, r.paths().ByKey()
	paths["stream.delta"], paths["stream.text"] = s.Delta, s.Text
	given := slices.ContainsFunc(slices.Collect(maps.Values(paths)), func(p string) bool { return p != "" })
	given = given || len(s.Events) > 0 || s.Done != "" || s.DoneEvent != "" || s.ErrorEvent != ""
	if given && r.Text == "" && s.Delta == "" && s.Text == "" {
		f.Add("response.text", "write the path of the reply in the agent's answer", "is missing")
	}
	translate.ValidatePaths(paths, f)
	if s.Delta != "" && s.Text != "" {
		f.Add("response.stream", "give the one that the events have", "has both delta and text")
	}
	if r.ErrorCode == "" && len(r.ErrorKinds) > 0 {
		f.Add("response.error_code", "write the path of the code", "is missing, and there are error_kinds")
	}
	r.paths().ValidateKinds(f)
}

func (m *mapping) mapsRequest() bool { return m != nil && m.body != nil }

func (m *mapping) mapsResponse() bool { return m != nil && m.mapped }

// answer reads a whole answer.
func (m *mapping) answer(data []byte) (wire.Frame, error) {
	if !m.mapsResponse() {
		return wire.ParseFrame(data)
	}
	doc, err := parseJSON(data)
	if err != nil {
		return wire.Frame{}, err
	}
	frame := m.paths.Frame(doc)
	if frame.Error != nil {
		return frame, nil
	}
	text, err := translate.TextAt(doc, m.paths.Text)
	switch {
	case errors.Is(err, translate.ErrNothing) && frame.Empty():
		return frame, fmt.Errorf("%w: %w", errNoWords, pathError("text", m.paths.Text, err.Error()))
	case err != nil:
		return frame, pathError("text", m.paths.Text, err.Error())
	}
	frame.Message = &wire.Reply{Text: text}
	return frame, nil
}

// doneMarker ends the streams of many servers.
const doneMarker = "[DONE]"

// event reads one event of a stream, and reports whether it is the last.
func (m *mapping) event(e wire.Event) (frame wire.Frame, final bool, err error) {
	if !m.mapsResponse() {
		return plainEvent(e)
	}
	s := m.stream
	switch {
	case s.Done != "" && string(e.Data) == s.Done, s.DoneEvent != "" && e.Name == s.DoneEvent:
		return frame, true, nil
	case s.Delta == "" && s.Text == "":
		return frame, false, pathError("stream.delta", "", "missing: the agent streams")
	case string(e.Data) == doneMarker: // not configured, and not JSON
		return frame, m.endsWithStream(), nil
	}
	isError := s.ErrorEvent != "" && e.Name == s.ErrorEvent || s.ErrorEvent == "" && e.Name == "error" && !slices.Contains(s.Events, e.Name)
	hasText := len(s.Events) == 0 || slices.Contains(s.Events, e.Name)
	if !isError && !hasText && !gjson.ValidBytes(e.Data) {
		return frame, false, nil // events without text may have any data
	}
	doc, err := parseJSON(e.Data)
	if isError {
		reported := m.paths.Reported(doc)
		if reported == nil {
			report, _ := apierror.Read(e.Data)
			reported = wire.Foreign(report.Err())
		}
		return wire.Frame{Error: reported}, true, nil
	}
	if reported := reportedWithin(e.Data, m.paths.Frame(doc), err); reported != nil && !doc.Get(cmp.Or(s.Delta, s.Text)).Exists() {
		return wire.Frame{Error: reported}, true, nil
	}
	if err != nil {
		return frame, false, err
	}
	if frame = m.paths.Frame(doc); !hasText || frame.Error != nil {
		return frame, false, nil
	}
	if s.Delta != "" {
		if piece := doc.Get(s.Delta); piece.Exists() {
			text, err := translate.Text(piece)
			if err != nil {
				return frame, false, pathError("stream.delta", s.Delta, err.Error())
			}
			frame.Delta = &text
		}
		return frame, false, nil
	}
	if whole := doc.Get(s.Text); whole.Exists() {
		text, err := translate.Text(whole)
		if err != nil {
			return frame, false, pathError("stream.text", s.Text, err.Error())
		}
		frame.Message = &wire.Reply{Text: text}
	}
	return frame, false, nil
}

// plainEvent reads an event of the contract. Its name is ignored, except "error".
func plainEvent(e wire.Event) (wire.Frame, bool, error) {
	if string(e.Data) == doneMarker {
		return wire.Frame{}, true, nil
	}
	frame, err := wire.ParseFrame(e.Data)
	if e.Name == "error" && frame.Error == nil {
		report, _ := apierror.Read(e.Data)
		return wire.Frame{Error: wire.Foreign(report.Err()), Usage: frame.Usage}, true, nil
	}
	if reported := reportedWithin(e.Data, frame, err); reported != nil {
		return wire.Frame{Error: reported, Usage: frame.Usage}, true, nil
	}
	if err != nil {
		return frame, false, err
	}
	return frame, frame.Final(), nil
}

// endsWithStream reports whether only the end of the response ends a stream.
func (m *mapping) endsWithStream() bool {
	return m.mapsResponse() && m.stream.Done == "" && m.stream.DoneEvent == ""
}

// request makes the body of a request.
func (m *mapping) request(req executors.Request, send wire.Send, token json.RawMessage) ([]byte, error) {
	return m.body.Make(req, send, token)
}

// parseJSON distinguishes an answer that broke off from one that is not JSON.
func parseJSON(data []byte) (gjson.Result, error) {
	doc, err := translate.ParseJSON(data)
	if errors.Is(err, wire.ErrNotJSON) {
		var v any // for the error's text
		if why := json.Unmarshal(data, &v); why != nil && why.Error() == "unexpected end of JSON input" {
			return doc, modelcall.ErrCutOff
		}
	}
	return doc, err
}
