package wire

import _ "embed"

//go:embed schema.json
var schema []byte

// SchemaID is the schema's own name.
const SchemaID = "https://parley.run/schemas/agent.json"

// Schema returns the contract as a JSON Schema (2020-12). Its definitions are
// request, frame and cancel, and what these consist of.
func Schema() []byte { return append([]byte(nil), schema...) }
