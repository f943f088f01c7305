package process

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/parley-run/parley/internal/health"
	"github.com/parley-run/parley/internal/label"
	"github.com/parley-run/parley/payloads"
)

// keyring is, for the readiness page, whether the worker has the keys of the payloads that
// it is given. A nil ring has nothing to say.
func keyring(ring *payloads.Ring) []health.Connection {
	if ring == nil {
		return nil
	}
	return []health.Connection{{Name: "encryption", Err: func() error {
		missing := ring.Missing()
		if len(missing) == 0 {
			return nil
		}
		return fmt.Errorf("conversations wait for key %s, which is not in the key ring: add it to encryption.keys", strings.Join(missing, ", "))
	}}}
}

// countMissingKeys makes the gauge of the keys that payloads ask for in vain.
func countMissingKeys(meter metric.Meter, ring *payloads.Ring) (stop func(), err error) {
	if ring == nil {
		return func() {}, nil
	}
	var labels label.Set // payloads name their keys
	return observe(meter, "parley.missing_keys", "Keys that payloads are encrypted with and that this worker lacks: 1 for each, asked for within 15 minutes.",
		func(observe func(int64, ...attribute.KeyValue)) {
			for _, name := range ring.Missing() {
				observe(1, labels.Of("key", name))
			}
		})
}
