package gemini

import (
	"context"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// A statusError is a provider's error.
type statusError = modelcall.Refusal

// errorIn returns the error inside an answer or an event, or nil.
func errorIn(data []byte) error { return modelcall.RefusalIn(data) }

// table says what the vendor's errors mean, and those of compatible servers.
var table = apierror.Table{
	Remedies: map[conversation.Kind]string{
		conversation.QuotaExhausted: "wait for the quota to be renewed, enable billing or raise the limit at the provider, or set the api_key of another project",
		conversation.Unauthorized:   "check api_key, that its project may use the API and the model, and that the API is offered where this machine is",
		conversation.ContextTooLong: modelcall.RemedyTooLong,
		conversation.Invalid:        modelcall.RemedySettings,
	},
	NotFound:  "check model, and that base_url leads to the API, without the /v1beta",
	APIRemedy: ", without the /v1beta",
	Settings: map[string]string{
		"model":                 "model, project and location",
		"temperature":           "temperature",
		"max_output_tokens":     "max_output_tokens",
		"maxOutputTokens":       "max_output_tokens",
		"function_declarations": "the names and schemas of the tools",
		"tools":                 "the names and schemas of the tools",
	},
	Extra: apierror.Extra{Set: "extra: {generationConfig: {%s: …}}", Remove: "extra: {generationConfig: {%s: null}}"},
}

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error, usage conversation.Usage) *conversation.Error {
	out := modelcall.Failed(ctx, e.op(), err, table, e.clean)
	out.Usage = usage
	return out
}
