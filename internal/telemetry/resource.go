package telemetry

import (
	"cmp"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// defaultService is the name of the service where OTEL_SERVICE_NAME has none.
const defaultService = "parley-worker"

// describe is what a push says of the worker: service.name, service.version and the
// attributes of OTEL_RESOURCE_ATTRIBUTES.
func describe(lookup func(string) (string, bool), version string) *resource.Resource {
	e, name := environment{lookup: lookup}, ""
	var all []attribute.KeyValue
	for pair := range strings.SplitSeq(e.get("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		key, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			continue // as the specification says
		}
		if key == "service.name" {
			name = value
			continue
		}
		all = append(all, attribute.String(key, value))
	}
	all = append([]attribute.KeyValue{attribute.String("service.version", version)}, all...)
	return resource.NewSchemaless(append(all, attribute.String("service.name", cmp.Or(e.get("OTEL_SERVICE_NAME"), name, defaultService)))...)
}
