package wire

import _ "embed"

//go:embed schema.json
var schema []byte

// SchemaID is the $id of the schema.
const SchemaID = "https://parley.run/schemas/agent.json"

// Schema returns the contract as a JSON Schema (2020-12). It defines request, frame
// and cancel, and their parts.
func Schema() []byte { return append([]byte(nil), schema...) }
