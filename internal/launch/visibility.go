package launch

import (
	"errors"
	"strings"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// defaultConverter reads search attributes, which are never encoded by a codec.
var defaultConverter = converter.GetDefaultDataConverter()

// quote makes a value safe in a visibility query.
func quote(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", `\'`) + "'"
}

// isWorkflowError tells a workflow that closed badly from a server that did not
// answer.
func isWorkflowError(err error) bool {
	var execution *temporal.WorkflowExecutionError
	return errors.As(err, &execution)
}
