package openai

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/parley-run/parley/executors/internal/apierror"
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
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Content   json.RawMessage `json:"content"`
}

type part struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Refusal string `json:"refusal"`
}

func (i item) parts() []part {
	var parts []part
	_ = json.Unmarshal(i.Content, &parts) // other content has no text
	return parts
}

// ended reports whether the response is final. Compatible servers may omit the
// status.
func (r *response) ended() bool {
	return r.Status != "queued" && r.Status != "in_progress"
}

func (r *response) hasError() bool {
	return len(r.Error) > 0 && string(r.Error) != "null"
}

var errCancelled = errors.New("the response was cancelled at the provider")

// fault returns the provider's error in the response, or nil.
func (r *response) fault() error {
	if r.hasError() {
		return errorInside([]byte(`{"error":` + string(r.Error) + `}`))
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
	Code        string          `json:"code"`
	Message     string          `json:"message"`
	Param       string          `json:"param"`
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

func (e *event) fault() error {
	return &statusError{Report: apierror.Error{Code: e.Code, Param: e.Param, Message: e.Message}}
}
