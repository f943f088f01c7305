package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/lenient"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A response holds the fields of a Responses API response that are used. The SDK's
// own type decodes every kind of item, and fails on those of compatible servers.
type response struct {
	ID         string          `json:"id"`
	Status     string          `json:"status"`
	Model      string          `json:"model"`
	Error      json.RawMessage `json:"error"`
	Incomplete struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Output []item `json:"output"`
	Usage  *struct {
		InputTokens  int64 `json:"input_tokens"`
		OutputTokens int64 `json:"output_tokens"`
		Details      struct {
			CachedTokens int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	} `json:"usage"`
}

// An item is a message, a tool call, or of a kind that is ignored.
type item struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Content   json.RawMessage `json:"content"`
	Encrypted string          `json:"encrypted_content"`

	raw json.RawMessage
}

// UnmarshalJSON keeps the item as it came.
func (i *item) UnmarshalJSON(data []byte) error {
	type plain item
	err := tolerated(json.Unmarshal(data, (*plain)(i)))
	i.raw = bytes.Clone(data)
	return err
}

// tolerated ignores a value of another type than expected: it counts as missing.
func tolerated(err error) error {
	if errors.As(err, new(*json.UnmarshalTypeError)) {
		return nil
	}
	return err
}

// callID returns the id of a call. Some servers give only the item one.
func (i *item) callID() string { return cmp.Or(i.CallID, i.ID) }

// arguments returns a call's arguments. Some servers send an object instead of its text.
func (i *item) arguments() string {
	if s := lenient.Word(i.Arguments); s != "" || len(i.Arguments) == 0 || i.Arguments[0] == '"' || string(i.Arguments) == "null" {
		return s
	}
	return string(i.Arguments)
}

// parseResponse reads a whole response.
func parseResponse(raw []byte) (*response, error) {
	var r response
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, modelcall.ErrNoAnswer
	}
	if !json.Valid(raw) {
		return nil, cmp.Or(errorIn(string(raw)), errUnreadable)
	}
	if err := tolerated(json.Unmarshal(raw, &r)); err != nil {
		return nil, errUnreadable
	}
	if r.Status == "" && len(r.Output) == 0 {
		if err := errorIn(string(raw)); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

// ended reports whether the response is final. Compatible servers may omit the
// status.
func (r *response) ended() bool {
	return r.Status != "queued" && r.Status != "in_progress"
}

func (r *response) hasError() bool {
	return errorIn(r.errorBody()) != nil
}

var errCancelled = errors.New("the response was cancelled at the provider")

// errorBody is the error as the body of a response. Some servers send an empty one beside
// a good answer.
func (r *response) errorBody() string {
	if len(r.Error) == 0 {
		return ""
	}
	return `{"error":` + string(r.Error) + `}`
}

// fault returns the provider's error in the response, or nil.
func (r *response) fault() error {
	if err := errorIn(r.errorBody()); err != nil {
		return err
	}
	if r.Status == "cancelled" {
		return errCancelled
	}
	return &statusError{Report: apierror.Error{Message: "the response failed"}}
}

// An event is a piece of a streamed response.
type event struct {
	Type        string          `json:"type"`
	Delta       json.RawMessage `json:"delta"`
	OutputIndex int64           `json:"output_index"`
	Item        *item           `json:"item"`
	Response    *response       `json:"response"`
}

// parseEvent reads an event, or a whole response in the place of one.
func parseEvent(raw modelcall.Event) (*event, error) {
	var e event
	if err := tolerated(json.Unmarshal(raw.Data, &e)); err != nil {
		return nil, errUnreadable
	}
	if e.Type == "" {
		e.Type = raw.Name
	}
	switch {
	case strings.HasPrefix(e.Type, "response."):
	case e.Type == "error":
		return nil, errorInside(raw.Data)
	default:
		if err := errorIn(string(raw.Data)); err != nil {
			return nil, err
		}
		if o := lenient.Read(raw.Data); e.Response == nil && o.Has("output") {
			r, err := parseResponse(raw.Data)
			e.Response = r
			return &e, err
		}
	}
	return &e, nil
}

func (e *event) text() string {
	var s string
	_ = json.Unmarshal(e.Delta, &s) // another delta is no text
	return s
}

// begins reports whether the model has begun to think or write: servers announce
// the response and its items before that.
func (e *event) begins() bool {
	return strings.HasSuffix(e.Type, ".delta")
}
