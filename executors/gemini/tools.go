package gemini

import (
	"encoding/json"
	"slices"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// offer returns the tools in the API's format.
func offer(tools []conversation.Tool) []map[string]any {
	functions := make([]map[string]any, 0, len(tools))
	for _, t := range tools {
		f := map[string]any{"name": t.Name}
		if t.Description != "" {
			f["description"] = modelcall.Valid(t.Description)
		}
		if schema := modelcall.Schema(t); hasProperties(schema) { // the API rejects a schema without properties
			f["parametersJsonSchema"] = schema
		}
		functions = append(functions, f)
	}
	return []map[string]any{{"functionDeclarations": functions}}
}

func hasProperties(schema json.RawMessage) bool {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(schema, &fields) // cannot fail for an object
	for name, value := range fields {
		if name != "type" && name != "description" && name != "title" && name != "additionalProperties" &&
			!slices.Contains([]string{"{}", "[]", "null"}, string(value)) {
			return true
		}
	}
	return false
}

// restrict removes from toolConfig what does not fit the request: the API rejects a
// choice without tools, and streamed arguments are not supported here.
func restrict(body map[string]any) {
	config, _ := body["toolConfig"].(map[string]any)
	calling, _ := config["functionCallingConfig"].(map[string]any)
	delete(calling, "streamFunctionCallArguments")
	if body["tools"] == nil {
		delete(config, "functionCallingConfig")
	}
	if config != nil && len(config) == 0 {
		delete(body, "toolConfig")
	}
}
