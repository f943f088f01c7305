package process

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/payloads"
)

// ringOf has one key, and the converter of a client that uses it.
func ringOf(t *testing.T, key string) (*payloads.Ring, converter.DataConverter) {
	t.Helper()
	ring, err := payloads.Open(t.Context(), payloads.Config{
		Key: key, Keys: map[string]payloads.Source{key: {Env: key}},
		LookupEnv: func(name string) (string, bool) {
			return map[string]string{"k1": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
				"k2": "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100"}[name], true
		},
	})
	require.NoError(t, err)
	var o client.Options
	ring.Secure(&o)
	return ring, converter.WithDataConverterSerializationContext(o.DataConverter, converter.WorkflowSerializationContext{Namespace: "default", WorkflowID: "w"})
}

// A worker that lacks a key says so on its readiness page and in a metric.
func TestMissingKeysAreReported(t *testing.T) {
	t.Parallel()
	_, theirs := ringOf(t, "k1")
	ring, ours := ringOf(t, "k2")
	reader := metric.NewManualReader()
	stop, err := countMissingKeys(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), ring)
	require.NoError(t, err)
	missing := func() (keys []string) {
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &all))
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				require.Equal(t, "parley.missing_keys", m.Name)
				for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
					key, _ := p.Attributes.Value("key")
					require.EqualValues(t, 1, p.Value)
					keys = append(keys, key.AsString())
				}
			}
		}
		return keys
	}
	page := keyring(ring)[0]
	require.NoError(t, page.Err())
	require.Empty(t, missing())

	payload, err := theirs.ToPayload("text")
	require.NoError(t, err)
	var text string
	require.Error(t, ours.FromPayload(payload, &text))
	require.EqualError(t, page.Err(), "conversations wait for key k1, which is not in the key ring: add it to encryption.keys")
	require.Equal(t, []string{"k1"}, missing())
	require.Empty(t, keyring(nil))
	stop()
	require.Empty(t, missing(), "a provider that outlives the worker")
	_, err = countMissingKeys(nil, nil)
	require.NoError(t, err)
}
