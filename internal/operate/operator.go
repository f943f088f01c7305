package operate

import (
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/internal/versions"
)

// An Operator acts on the conversations and inboxes of one namespace. Its
// methods are safe for concurrent use.
type Operator struct {
	Client client.Client
	// Address and Namespace are Temporal's, for messages.
	Address   string
	Namespace string
	// TaskQueue is the workers' task queue, for messages.
	TaskQueue string
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
	// parallel bounds the simultaneous requests to the server: a frontend accepts some
	// thousand a second, a laptop's dev server far fewer.
	parallel = 8
)

func (o *Operator) patience() time.Duration {
	if o.Patience > 0 {
		return o.Patience
	}
	return defaultPatience
}

// converter decodes the payloads of one workflow: a codec may keep one key for each.
func (o *Operator) converter(workflowID string) converter.DataConverter {
	dc := o.Converter
	if dc == nil {
		dc = converter.GetDefaultDataConverter()
	}
	return converter.WithDataConverterSerializationContext(dc, converter.WorkflowSerializationContext{
		Namespace: o.Namespace, WorkflowID: workflowID,
	})
}
