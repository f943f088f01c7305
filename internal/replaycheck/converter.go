package replaycheck

import (
	"context"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// A dataConverter tells the worker's converter the namespace of the histories: the SDK's
// replayer has one of its own, and a codec may depend on it.
type dataConverter struct {
	converter.DataConverter
	namespace string
}

var (
	_ converter.DataConverterWithSerializationContext = dataConverter{}
	_ workflow.ContextAware                           = dataConverter{}
)

func (d dataConverter) WithSerializationContext(sc converter.SerializationContext) converter.DataConverter {
	return dataConverter{converter.WithDataConverterSerializationContext(d.DataConverter, within(sc, d.namespace)), d.namespace}
}

func (d dataConverter) WithWorkflowContext(ctx workflow.Context) converter.DataConverter {
	if aware, ok := d.DataConverter.(workflow.ContextAware); ok {
		d.DataConverter = aware.WithWorkflowContext(ctx)
	}
	return d
}

func (d dataConverter) WithContext(ctx context.Context) converter.DataConverter {
	if aware, ok := d.DataConverter.(workflow.ContextAware); ok {
		d.DataConverter = aware.WithContext(ctx)
	}
	return d
}

// A failureConverter is what dataConverter is, for failures.
type failureConverter struct {
	converter.FailureConverter
	namespace string
}

var _ converter.FailureConverterWithSerializationContext = failureConverter{}

func (f failureConverter) WithSerializationContext(sc converter.SerializationContext) converter.FailureConverter {
	return failureConverter{converter.WithFailureConverterSerializationContext(f.FailureConverter, within(sc, f.namespace)), f.namespace}
}

func within(sc converter.SerializationContext, namespace string) converter.SerializationContext {
	switch sc := sc.(type) {
	case converter.WorkflowSerializationContext:
		sc.Namespace = namespace
		return sc
	case converter.ActivitySerializationContext:
		sc.Namespace = namespace
		return sc
	}
	return sc
}
