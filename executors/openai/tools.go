package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// callOverhead is counted for each call in addition to its texts: a call without
// arguments takes memory too.
const callOverhead = 64

var (
	errNamelessCall = errors.New("the model called a tool without naming it")
	errCutCall      = errors.New("the answer reached its limit of tokens within a tool call")
)

// A toolCall is the part of a tool call received so far.
type toolCall struct {
	index     int64
	id, name  string
	arguments strings.Builder
}

// addCall adds a call or a piece of one. Pieces of one call share an index; some
// servers give all calls the same index, and each its own id.
func (a *answer) addCall(index int64, id, name, arguments string) {
	var c *toolCall
	for _, have := range a.calls {
		if have.index == index && (id == "" || have.id == "" || have.id == id) {
			c = have
		}
	}
	if c == nil {
		c = &toolCall{index: index}
		a.calls = append(a.calls, c)
		a.size += callOverhead
	}
	if c.id == "" {
		c.id = id
		a.size += len(id)
	}
	if c.name == "" {
		c.name = name
		a.size += len(name)
	}
	c.arguments.WriteString(arguments)
	a.size += len(arguments)
}

// parts returns the calls as parts of a message. Calls without ids, or with equal
// ones, get ids derived from the request's key, the same for every attempt.
func (a *answer) parts(key string) ([]conversation.Part, error) {
	seen := make(map[string]bool, len(a.calls))
	parts := make([]conversation.Part, 0, len(a.calls))
	for i, c := range a.calls {
		arguments, whole := jsonArguments(c.arguments.String())
		switch {
		case a.Finish == executors.FinishLength && !whole:
			return nil, errCutCall
		case strings.TrimSpace(c.name) == "":
			return nil, errNamelessCall
		}
		id := c.id
		if id == "" || seen[id] {
			id = fmt.Sprintf("call_%.16s_%d", modelcall.IdempotencyKey(key), i)
		}
		seen[id] = true
		parts = append(parts, conversation.Part{
			Type:     conversation.PartToolCall,
			ToolCall: &conversation.ToolCall{ID: id, Name: c.name, Arguments: arguments},
		})
	}
	return parts, nil
}

// jsonArguments returns a call's arguments as JSON, and whether they are valid:
// invalid ones become a JSON string.
func jsonArguments(s string) (_ json.RawMessage, valid bool) {
	if strings.TrimSpace(s) == "" {
		return json.RawMessage("{}"), true
	}
	if json.Valid([]byte(s)) {
		return json.RawMessage(s), true
	}
	out, _ := json.Marshal(modelcall.Valid(s)) // cannot fail for a string
	return out, false
}

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
