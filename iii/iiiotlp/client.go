package iiiotlp

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/iii"
)

// NewClient returns a client for [otlptrace.New] that sends spans to the engine w
// belongs to, over a connection of its own; see [iii.Telemetry]. It outlives w.
func NewClient(w *iii.Worker) otlptrace.Client { return client{w.Telemetry()} }

type client struct{ telemetry *iii.Telemetry }

// Start does nothing: the first spans connect.
func (client) Start(context.Context) error { return nil }

func (c client) Stop(ctx context.Context) error { return c.telemetry.Close(ctx) }

func (c client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	request, err := encode(spans)
	if err != nil {
		return fmt.Errorf("iiiotlp: %w", err)
	}
	return c.telemetry.Export(ctx, iii.Traces, request)
}

// encode writes OTLP's JSON, which is protobuf's but for two things: enumerations
// are numbers, and ids hexadecimal where protobuf has base64.
func encode(spans []*tracepb.ResourceSpans) ([]byte, error) {
	request := proto.CloneOf(&tracepb.TracesData{ResourceSpans: spans})
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				span.TraceId, span.SpanId = hexInBase64(span.TraceId), hexInBase64(span.SpanId)
				span.ParentSpanId = hexInBase64(span.ParentSpanId)
				for _, link := range span.GetLinks() {
					link.TraceId, link.SpanId = hexInBase64(link.TraceId), hexInBase64(link.SpanId)
				}
			}
		}
	}
	return protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(request)
}

// hexInBase64 are the bytes whose base64 is id in hexadecimal. All its digits are
// in base64's alphabet, and ids have 16 or 8 bytes, so that nothing is padded.
func hexInBase64(id []byte) []byte {
	decoded, err := base64.StdEncoding.DecodeString(hex.EncodeToString(id))
	if err != nil {
		return nil // no id has this length
	}
	return decoded
}
