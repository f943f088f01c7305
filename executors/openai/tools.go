package openai

import (
	"encoding/json"
	"errors"
	"fmt"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// parameters returns the schema of a tool's arguments.
func parameters(t conversation.Tool) (map[string]any, error) {
	if len(t.Schema) == 0 || string(t.Schema) == "null" {
		return map[string]any{"type": "object", "properties": map[string]any{}}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(t.Schema, &fields); err != nil {
		return nil, &conversation.Error{
			Kind: conversation.Invalid, Op: fmt.Sprintf("openai: offer tool %q", t.Name),
			Err: errors.New("its schema is not a JSON object"), Remedy: "correct the schema of the tool's arguments",
		}
	}
	clear(fields)
	if err := json.Unmarshal(modelcall.Schema(t), &fields); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		out[name] = value
	}
	return out, nil
}

func chatTools(tools []conversation.Tool) ([]sdk.ChatCompletionToolUnionParam, error) {
	var out []sdk.ChatCompletionToolUnionParam
	for _, t := range tools {
		schema, err := parameters(t)
		if err != nil {
			return nil, err
		}
		f := shared.FunctionDefinitionParam{Name: t.Name, Parameters: schema}
		if t.Description != "" {
			f.Description = sdk.String(modelcall.Valid(t.Description))
		}
		out = append(out, sdk.ChatCompletionFunctionTool(f))
	}
	return out, nil
}

// withoutTools removes the tool settings of extra from a request that offers no
// tools: the API rejects them.
func (e *Executor) withoutTools() []option.RequestOption {
	var opts []option.RequestOption
	for _, name := range []string{"tool_choice", "parallel_tool_calls"} {
		if e.cfg.Extra[name] != nil {
			opts = append(opts, option.WithJSONDel(name))
		}
	}
	return opts
}
