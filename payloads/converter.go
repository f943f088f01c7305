package payloads

import (
	"context"

	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Secure makes a client, and the workers of it, encrypt everything they can. A data
// converter that the options have already makes the payloads; their failure converter is
// replaced. It is to be called once.
func (r *Ring) Secure(o *client.Options) {
	parent := o.DataConverter
	if parent == nil {
		parent = converter.GetDefaultDataConverter()
	}
	codec := NewCodec(r)
	o.DataConverter = dataConverter{parent: parent, codec: codec}
	o.FailureConverter = failureConverter{temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		// Without context: a failure travels through workflows as it is.
		DataConverter: converter.NewCodecDataConverter(parent, codec), EncodeCommonAttributes: true,
	})}
	o.Interceptors = append(o.Interceptors, &handlers{})
}

// Before is what changes a client's options: [Ring.Secure], and then change, which may be
// nil and can set other converters.
func (r *Ring) Before(change func(*client.Options)) func(*client.Options) {
	return func(o *client.Options) {
		r.Secure(o)
		if change != nil {
			change(o)
		}
	}
}

// A dataConverter applies the codec. In a workflow, it panics where a payload cannot be
// read: the SDK then fails the workflow task, and Temporal tries it again. With an error
// in its place, a workflow would end, and a signal would be lost.
type dataConverter struct {
	parent     converter.DataConverter
	codec      Codec
	inWorkflow bool
}

var (
	_ converter.DataConverterWithSerializationContext = dataConverter{}
	_ workflow.ContextAware                           = dataConverter{}
)

func (d dataConverter) WithSerializationContext(sc converter.SerializationContext) converter.DataConverter {
	d.parent, d.codec = converter.WithDataConverterSerializationContext(d.parent, sc), d.codec.of(sc)
	return d
}

func (d dataConverter) WithWorkflowContext(ctx workflow.Context) converter.DataConverter {
	if aware, ok := d.parent.(workflow.ContextAware); ok {
		d.parent = aware.WithWorkflowContext(ctx)
	}
	_, answers := ctx.Value(answersErrors{}).(bool)
	d.inWorkflow = !answers
	return d
}

func (d dataConverter) WithContext(ctx context.Context) converter.DataConverter {
	if aware, ok := d.parent.(workflow.ContextAware); ok {
		d.parent = aware.WithContext(ctx)
	}
	return d
}

func (d dataConverter) decode(payloads []*common.Payload) ([]*common.Payload, error) {
	opened, err := d.codec.Decode(payloads)
	if d.inWorkflow {
		MustRead(err)
	}
	return opened, err
}

func (d dataConverter) ToPayload(value any) (*common.Payload, error) {
	p, err := d.parent.ToPayload(value)
	if p == nil || err != nil {
		return p, err
	}
	sealed, err := d.codec.Encode([]*common.Payload{p})
	if err != nil {
		return nil, err
	}
	return sealed[0], nil
}

func (d dataConverter) ToPayloads(values ...any) (*common.Payloads, error) {
	p, err := d.parent.ToPayloads(values...)
	if p == nil || err != nil {
		return p, err
	}
	sealed, err := d.codec.Encode(p.GetPayloads())
	return &common.Payloads{Payloads: sealed}, err
}

func (d dataConverter) FromPayload(payload *common.Payload, into any) error {
	if payload == nil {
		return nil
	}
	opened, err := d.decode([]*common.Payload{payload})
	if err != nil {
		return err
	}
	return d.parent.FromPayload(opened[0], into)
}

func (d dataConverter) FromPayloads(payloads *common.Payloads, into ...any) error {
	if payloads == nil {
		return d.parent.FromPayloads(payloads, into...)
	}
	opened, err := d.decode(payloads.GetPayloads())
	if err != nil {
		return err
	}
	return d.parent.FromPayloads(&common.Payloads{Payloads: opened}, into...)
}

func (d dataConverter) ToString(payload *common.Payload) string {
	opened, err := d.codec.Decode([]*common.Payload{payload})
	if err != nil {
		return err.Error()
	}
	return d.parent.ToString(opened[0])
}

func (d dataConverter) ToStrings(payloads *common.Payloads) []string {
	var texts []string
	for _, p := range payloads.GetPayloads() {
		texts = append(texts, d.ToString(p))
	}
	return texts
}
