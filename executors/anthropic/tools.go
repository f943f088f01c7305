package anthropic

import (
	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// offer returns the tools in the API's format, and changes to the request's body
// beside the settings.
func (e *Executor) offer(tools []conversation.Tool, messages []sdk.MessageParam) ([]sdk.ToolUnionParam, []option.RequestOption) {
	if len(tools) > 0 {
		out := make([]sdk.ToolUnionParam, 0, len(tools))
		for _, t := range tools {
			out = append(out, define(t))
		}
		if *e.cfg.PromptCache {
			out[len(out)-1].OfTool.CacheControl = sdk.NewCacheControlEphemeralParam()
		}
		return out, nil
	}
	// The API requires definitions of the tools called in the conversation: a name
	// is enough, with the instruction to call none.
	var (
		out  []sdk.ToolUnionParam
		seen = map[string]bool{}
	)
	for _, m := range messages {
		for _, b := range m.Content {
			if c := b.OfToolUse; c != nil && !seen[c.Name] {
				seen[c.Name] = true
				out = append(out, define(conversation.Tool{Name: c.Name}))
			}
		}
	}
	if len(out) == 0 { // the API rejects tool_choice without tools
		return nil, []option.RequestOption{option.WithJSONDel("tool_choice")}
	}
	return out, []option.RequestOption{option.WithJSONSet("tool_choice", sdk.NewToolChoiceNoneParam())}
}

func define(t conversation.Tool) sdk.ToolUnionParam {
	p := &sdk.ToolParam{
		Name: t.Name,
		// Raw JSON keeps the order of the fields, which the cache depends on.
		InputSchema: param.Override[sdk.ToolInputSchemaParam](modelcall.Schema(t)),
	}
	if !blank(t.Description) {
		p.Description = sdk.String(modelcall.Valid(t.Description))
	}
	return sdk.ToolUnionParam{OfTool: p}
}
