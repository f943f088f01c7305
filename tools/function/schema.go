package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// Of makes a tool of a function. In is a struct, or a map with string keys. Fields
// are required unless their json tag has omitempty or omitzero; a jsonschema tag
// describes one to the model. [New] reports faults of the tool.
func Of[In, Out any](name, description string, f func(ctx context.Context, in In) (Out, error)) Tool {
	t := Tool{tool: conversation.Tool{Name: name, Description: description}}
	schema, err := jsonschema.For[In](nil)
	switch {
	case name == "":
		t.err = errors.New("the name is empty")
	case f == nil:
		t.err = errors.New("the function is nil")
	case err != nil:
		t.err = fmt.Errorf("no schema can be made of %T: %w", *new(In), err)
	case schema.Type != "object":
		t.err = fmt.Errorf("the arguments are %T: make them a struct", *new(In))
	}
	if t.err != nil {
		return t
	}
	resolved, err := schema.Resolve(nil)
	if err == nil {
		t.tool.Schema, err = json.Marshal(schema)
	}
	if err != nil {
		t.err = fmt.Errorf("the schema of %T: %w", *new(In), err)
		return t
	}
	t.call = func(ctx context.Context, call tools.Call) (tools.Result, error) {
		in, err := decode[In](resolved, call.Arguments)
		if err != nil {
			return failure(fmt.Sprintf("The arguments do not fit: %v", err)), nil
		}
		out, err := f(ctx, in)
		if err != nil {
			return tools.Result{}, err
		}
		return encode(out)
	}
	return t
}

// Idempotent declares that a second call with the same arguments does no harm: the
// function has no effects, or stores its results under the key of [CallOf]. A call
// whose answer was lost is then made again. Without it such a call is made again only
// if the rules of the set say so.
func (t Tool) Idempotent() Tool {
	t.tool.Repeatable = true
	return t
}

// decode accepts only what the schema accepts.
func decode[In any](schema *jsonschema.Resolved, arguments json.RawMessage) (in In, err error) {
	if trimmed := bytes.TrimSpace(arguments); len(trimmed) == 0 || string(trimmed) == "null" {
		arguments = json.RawMessage("{}")
	}
	var loose any
	if err := json.Unmarshal(arguments, &loose); err != nil {
		return in, err
	}
	if err := schema.Validate(loose); err != nil {
		return in, err
	}
	strict := json.NewDecoder(bytes.NewReader(arguments))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&in); err != nil {
		return in, err
	}
	if _, err := strict.Token(); !errors.Is(err, io.EOF) {
		return in, errors.New("something follows the object")
	}
	return in, nil
}

// encode makes a result of what a function returned.
func encode(out any) (tools.Result, error) {
	switch out := out.(type) {
	case tools.Result:
		return out, nil
	case string:
		return tools.Result{Content: out}, nil
	}
	text, err := json.Marshal(out)
	if err != nil {
		return tools.Result{}, fmt.Errorf("the answer is not JSON: %w", err)
	}
	return tools.Result{Content: string(text)}, nil
}
