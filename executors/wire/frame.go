package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/httpclient"
)

// A Frame is one JSON object from the agent: a whole answer, or a piece of one.
// Absent fields are nil or empty.
type Frame struct {
	ID    string `json:"id,omitempty"`
	Ready bool   `json:"ready,omitempty"`
	// Delta is the next piece of the text.
	Delta *string `json:"delta,omitempty"`
	// Attach is a token that identifies this run for a later attempt.
	Attach json.RawMessage `json:"attach,omitempty"`
	// Message is the whole reply. Without it, the deltas are the reply.
	Message      *Reply          `json:"message,omitempty"`
	State        json.RawMessage `json:"state,omitempty"`
	Usage        *Usage          `json:"usage,omitempty"`
	Provider     string          `json:"provider,omitempty"`
	Model        string          `json:"model,omitempty"`
	FinishReason string          `json:"finish_reason,omitempty"`
	End          *bool           `json:"end,omitempty"`
	Error        *Error          `json:"error,omitempty"`

	size int // of its JSON, if it was read
}

// Final reports whether the frame is the last of its answer.
func (f Frame) Final() bool {
	return f.Message != nil || f.FinishReason != "" || f.End != nil || f.Error != nil
}

// Empty reports whether the frame says nothing.
func (f Frame) Empty() bool {
	f.size = 0
	return reflect.ValueOf(f).IsZero()
}

// brings reports whether the frame has a part of an answer.
func (f Frame) brings() bool { return f.Final() || f.Delta != nil && *f.Delta != "" }

// A Reply is the agent's message. In JSON it is a string, or an object with text or
// parts.
type Reply struct {
	Role  conversation.Role   `json:"role,omitempty"`
	Text  string              `json:"text,omitempty"`
	Parts []conversation.Part `json:"parts,omitempty"`
}

// UnmarshalJSON accepts both forms.
func (r *Reply) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &r.Text)
	}
	type plain Reply
	return json.Unmarshal(data, (*plain)(r))
}

// Usage is the usage of the answer. Calls is nil if the agent does not report it.
type Usage struct {
	InputTokens       int64  `json:"input_tokens,omitempty"`
	OutputTokens      int64  `json:"output_tokens,omitempty"`
	CachedInputTokens int64  `json:"cached_input_tokens,omitempty"`
	Calls             *int64 `json:"calls,omitempty"`
}

// An Error is an error that the agent reports. In JSON it is an object, or the
// message alone.
type Error struct {
	Kind    string `json:"kind,omitempty"`
	Message string `json:"message"`
	// RetryAfter is in seconds.
	RetryAfter float64 `json:"retry_after,omitempty"`
	Remedy     string  `json:"remedy,omitempty"`

	// report is what the error says beyond the contract, such as a model vendor's code.
	// Nil: only Message is known.
	report *apierror.Error
}

// Foreign returns an error in another form than the contract's. One that this module has
// read from a body keeps its codes; any other has only its text.
func Foreign(err error) *Error {
	report := apierror.Of(err)
	return &Error{Message: report.Message, report: &report}
}

// UnmarshalJSON accepts both forms, and skips fields of a wrong type.
func (e *Error) UnmarshalJSON(data []byte) error {
	var fields map[string]any
	if string(data) == "false" {
		return nil
	}
	if string(data) == "null" {
		return nil
	}
	report, known := apierror.Read(data)
	if json.Unmarshal(data, &fields) != nil {
		if json.Unmarshal(data, &e.Message) != nil || known {
			e.Message = report.Message
		}
		return nil
	}
	e.Kind, _ = fields["kind"].(string)
	e.Message, _ = fields["message"].(string)
	if !known {
		return nil
	}
	if strings.Contains(report.Message, e.Message) {
		e.Message = report.Message
	}
	if report.HasCodes() {
		e.report = &report
	}
	if wait, ok := httpclient.WaitIn(fields); ok {
		e.RetryAfter = wait.Seconds()
	}
	e.Remedy, _ = fields["remedy"].(string)
	return nil
}

// beside adds what stands beside an error in another form than the contract's: a code and
// a wait.
func (e *Error) beside(data []byte) {
	report, known := apierror.Read(data)
	if known && report.HasCodes() {
		e.report = &report
	}
	if known && e.RetryAfter == 0 {
		e.RetryAfter = report.RetryAfter.Seconds()
	}
}

// ErrNotJSON is returned for an answer, or a line of one, that is not a JSON
// object.
var ErrNotJSON = errors.New("the answer is not a JSON object")

// ParseFrame reads one frame. Its errors repeat nothing of the input but the name
// of a field with a wrong type.
func ParseFrame(data []byte) (Frame, error) {
	var f Frame
	data = bytes.TrimSpace(data)
	if !utf8.Valid(data) {
		return f, modelcall.ErrInvalidUTF8
	}
	if len(data) == 0 || data[0] != '{' {
		return f, ErrNotJSON
	}
	err := json.Unmarshal(data, &f)
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return f, modelcall.ErrCutOff
	case errors.As(err, &syntax):
		return f, ErrNotJSON
	case errors.As(err, &kind):
		what, _, _ := strings.Cut(kind.Value, " ") // the value of a number follows its type
		return f, fmt.Errorf("%w: %s is a JSON %s", ErrOffContract, kind.Field, what)
	case err != nil:
		return f, ErrOffContract
	}
	f.size = len(data)
	f.Attach, f.State = present(f.Attach), present(f.State)
	if f.Error != nil && *f.Error == (Error{}) { // "", false and {} mean no error
		f.Error = nil
	}
	if f.Error != nil && f.Error.Kind == "" {
		f.Error.beside(data)
	}
	return f, nil
}

// ErrOffContract is returned for JSON that violates the contract.
var ErrOffContract = errors.New("the answer does not keep to the contract")

// present returns nil for a JSON null.
func present(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}
