package openai

import (
	"context"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A statusError is a provider's error.
type statusError = modelcall.Refusal

// errorIn returns the error inside an answer or an event, or nil.
func errorIn(raw string) error { return modelcall.RefusalIn([]byte(raw)) }

// errorInside reads an event or a member that is known to hold an error.
func errorInside(raw []byte) *statusError {
	report, _ := apierror.Read(raw)
	return &statusError{Report: report}
}

// table says what the vendor's errors mean, and those of compatible servers.
var table = apierror.Table{
	Remedies: map[conversation.Kind]string{
		conversation.QuotaExhausted: "add credit or raise the limit at the provider, or set the api_key of another account",
		conversation.Unauthorized:   "check api_key, organization and project, and that the key may use the model",
		conversation.ContextTooLong: modelcall.RemedyTooLong,
		conversation.Invalid:        modelcall.RemedySettings,
	},
	NotFound:  "check model, and that base_url leads to the API, usually ending in /v1",
	APIRemedy: ", usually ending in /v1",
	Settings: map[string]string{
		"model":                 "model",
		"temperature":           "temperature",
		"max_tokens":            "max_output_tokens",
		"max_completion_tokens": "max_output_tokens",
		"max_output_tokens":     "max_output_tokens",
		"store":                 "store",
		"background":            "background",
		"stream":                "stream",
		"stream_options":        "stream, or take the field out with extra: {stream_options: null}",
		"tools":                 "the names and schemas of the tools",
	},
	Extra: apierror.Extra{Set: "extra: {%s: …}", Remove: "extra: {%s: null}"},
}

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error, usage conversation.Usage) *conversation.Error {
	out := modelcall.Failed(ctx, e.op(), err, table, e.clean)
	out.Usage = usage
	return out
}
