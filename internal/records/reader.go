package records

import (
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/internal/versions"
)

// A Reader reads the conversations of one namespace. Its methods are safe for concurrent
// use.
type Reader struct {
	Client client.Client
	// Address and Namespace are Temporal's, for messages.
	Address   string
	Namespace string
	// TaskQueue is the workers' task queue, for messages.
	TaskQueue string
	// UI is the address of Temporal's web interface, for links. Empty: no links.
	UI string
	// Converter is the client's, to decode histories. Nil: the SDK's default.
	Converter converter.DataConverter
	// Patience bounds the wait for a worker's answer to a query before the history is
	// read instead. Zero: 5 seconds.
	Patience time.Duration

	prepare sync.Once
	states  *versions.Cache // made by prepare
}

const (
	defaultPatience = 5 * time.Second
	// Parallel bounds the simultaneous requests to the server: a frontend accepts some
	// thousand a second, a laptop's dev server far fewer.
	Parallel = 8
)

func (r *Reader) Bound() time.Duration {
	if r.Patience > 0 {
		return r.Patience
	}
	return defaultPatience
}

// ConverterOf decodes the payloads of one workflow: a codec may keep one key for each.
func (r *Reader) ConverterOf(workflowID string) converter.DataConverter {
	dc := r.Converter
	if dc == nil {
		dc = converter.GetDefaultDataConverter()
	}
	return converter.WithDataConverterSerializationContext(dc, converter.WorkflowSerializationContext{
		Namespace: r.Namespace, WorkflowID: workflowID,
	})
}
