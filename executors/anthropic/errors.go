package anthropic

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

// table says what the vendor's errors mean, and those of compatible servers.
var table = apierror.Table{
	Remedies: map[conversation.Kind]string{
		conversation.QuotaExhausted: "add credit or raise the limit in the provider's console, or set the api_key of another organization",
		conversation.Unauthorized:   "check api_key, and that its workspace may use the model",
		conversation.ContextTooLong: modelcall.RemedyTooLong,
		conversation.Invalid:        modelcall.RemedySettings,
	},
	NotFound:  "check model, and that base_url leads to the API, without the /v1",
	APIRemedy: ", without the /v1",
	Settings: map[string]string{
		"model":         "model",
		"temperature":   "temperature",
		"max_tokens":    "max_output_tokens",
		"system":        "instructions",
		"cache_control": "prompt_cache",
		"tools":         "the names and schemas of the tools",
		"thinking":      "thinking in extra",
	},
	Extra: apierror.Extra{Set: "extra: {%s: …}", Remove: "extra: {%s: null}"},
}

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error, usage conversation.Usage) *conversation.Error {
	out := modelcall.Failed(ctx, e.op(), err, table, e.clean)
	out.Usage = usage
	return out
}
