package payloads_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/payloads"
)

const said = "my pin is 4711 and nobody may read it"

// ringOf has the keys of those names; the last encrypts. The same name is the same key.
func ringOf(t *testing.T, names ...string) *payloads.Ring {
	t.Helper()
	cfg := payloads.Config{Keys: map[string]payloads.Source{}, LookupEnv: func(name string) (string, bool) { return keyText(name), true }}
	for _, name := range names {
		cfg.Keys[name], cfg.Key = payloads.Source{Env: name}, name
	}
	ring, err := payloads.Open(t.Context(), cfg)
	require.NoError(t, err)
	return ring
}

// keyText is a key, in hexadecimal digits.
func keyText(name string) string { return fmt.Sprintf("%x", []byte(fmt.Sprintf("%-32s", name))) }

func inWorkflow(id string) converter.SerializationContext {
	return converter.WorkflowSerializationContext{Namespace: "default", WorkflowID: id}
}

func inActivity(id string) converter.SerializationContext {
	return converter.ActivitySerializationContext{Namespace: "default", WorkflowID: id, ActivityType: "conversation.Reply"}
}

func payload(t *testing.T, text string) *common.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(text)
	require.NoError(t, err)
	return p
}

// seal encrypts for a context; nil is none.
func seal(t *testing.T, ring *payloads.Ring, sc converter.SerializationContext, p *common.Payload) *common.Payload {
	t.Helper()
	out, err := codec(ring, sc).Encode([]*common.Payload{p})
	require.NoError(t, err)
	require.Len(t, out, 1)
	return out[0]
}

func codec(ring *payloads.Ring, sc converter.SerializationContext) converter.PayloadCodec {
	c := payloads.NewCodec(ring)
	if sc == nil {
		return c
	}
	return c.WithSerializationContext(sc)
}

func TestNothingIsReadable(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, "k1")
	for name, text := range map[string]string{"Short": said, "Empty": "", "Long": strings.Repeat(said, 5000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := payload(t, text)
			in.Metadata["messageType"] = []byte(said)
			sealed := seal(t, ring, inWorkflow("w1"), in)
			written, err := proto.Marshal(sealed)
			require.NoError(t, err)
			require.NotContains(t, string(written), "4711")
			require.Equal(t, map[string][]byte{
				"encoding": []byte("binary/parley-encrypted"), "encryption-key-id": []byte("k1"), "encryption-workflow-id": []byte("w1"),
			}, sealed.GetMetadata())
			out, err := codec(ring, inWorkflow("w1")).Decode([]*common.Payload{sealed})
			require.NoError(t, err)
			require.True(t, proto.Equal(in, out[0]))
			again := seal(t, ring, inWorkflow("w1"), in)
			require.NotEqual(t, sealed.GetData(), again.GetData(), "the same text must not look the same")
		})
	}
	long := seal(t, ring, nil, payload(t, strings.Repeat(said, 5000)))
	require.Less(t, len(long.GetData()), 2000, "long texts are compressed")
}

// A payload is read for its workflow, and by who does not know the workflow.
func TestPayloadsCannotBeMoved(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, "k1")
	const schedule = "schedule/daily"
	for _, tc := range []struct {
		name            string
		written, readBy converter.SerializationContext
		moved           bool
	}{
		{"SameWorkflow", inWorkflow("w1"), inWorkflow("w1"), false},
		{"ItsActivity", inWorkflow("w1"), inActivity("w1"), false},
		{"FromItsActivity", inActivity("w1"), inWorkflow("w1"), false},
		{"OtherNamespace", inWorkflow("w1"), converter.WorkflowSerializationContext{Namespace: "moved", WorkflowID: "w1"}, false},
		{"OtherWorkflow", inWorkflow("w1"), inWorkflow("w2"), true},
		{"OtherActivity", inWorkflow("w1"), inActivity("w2"), true},
		{"LongerName", inWorkflow("w1"), inWorkflow("w1-2"), true},
		{"ShorterName", inWorkflow("w1-2"), inWorkflow("w1"), true},
		{"WithoutContext", inWorkflow("w1"), nil, false},
		{"FromWithoutContext", nil, inWorkflow("w1"), false},
		{"FromStandaloneActivity", inActivity(""), inWorkflow("w1"), false},
		{"NexusKnowsNoWorkflow", inWorkflow("w1"), converter.NexusSerializationContext{Endpoint: "e"}, false},
		{"RunOfSchedule", inWorkflow(schedule), inWorkflow(schedule + "-2026-11-29T00:25:00Z"), false},
		{"OtherSchedule", inWorkflow(schedule), inWorkflow("schedule/weekly-2026-11-29T00:25:00Z"), true},
		{"NoTime", inWorkflow(schedule), inWorkflow(schedule + "-2026-11-29"), true},
		{"FromRunOfSchedule", inWorkflow(schedule + "-2026-11-29T00:25:00Z"), inWorkflow(schedule), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sealed := seal(t, ring, tc.written, payload(t, said))
			out, err := codec(ring, tc.readBy).Decode([]*common.Payload{sealed})
			if tc.moved {
				var moved *payloads.SealError
				require.ErrorAs(t, err, &moved)
				require.ErrorContains(t, err, "it has been moved")
				return
			}
			require.NoError(t, err)
			require.Contains(t, string(out[0].GetData()), said)
		})
	}
}

func TestChangedPayloadsAreRefused(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, "k1", "k2")
	for name, change := range map[string]func(*common.Payload){
		"Data":          func(p *common.Payload) { p.Data[len(p.Data)/2] ^= 1 },
		"Truncated":     func(p *common.Payload) { p.Data = p.Data[:len(p.Data)-1] },
		"Short":         func(p *common.Payload) { p.Data = p.Data[:3] },
		"Empty":         func(p *common.Payload) { p.Data = nil },
		"OtherKey":      func(p *common.Payload) { p.Metadata[payloads.MetadataKey] = []byte("k1") },
		"NoKeyName":     func(p *common.Payload) { delete(p.Metadata, payloads.MetadataKey) },
		"TextAsKeyName": func(p *common.Payload) { p.Metadata[payloads.MetadataKey] = []byte(said) },
		"OtherWorkflow": func(p *common.Payload) { p.Metadata[payloads.MetadataWorkflow] = []byte("w2") },
		"NoWorkflow":    func(p *common.Payload) { delete(p.Metadata, payloads.MetadataWorkflow) },
		"Shifted": func(p *common.Payload) { // "k2"+"w1" and "k"+"2w1" must differ
			p.Metadata[payloads.MetadataKey], p.Metadata[payloads.MetadataWorkflow] = []byte("k1"), []byte("1w1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sealed := proto.Clone(seal(t, ring, inWorkflow("w1"), payload(t, said))).(*common.Payload)
			change(sealed)
			_, err := codec(ring, nil).Decode([]*common.Payload{sealed})
			var changed *payloads.SealError
			require.ErrorAs(t, err, &changed)
			require.NotContains(t, err.Error(), "4711")
		})
	}
}

func TestPlainPayloadsAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, "k1")
	others := []*common.Payload{
		payload(t, said), {}, nil,
		{Metadata: map[string][]byte{"encoding": []byte("binary/encrypted")}, Data: []byte("of another codec")},
	}
	out, err := codec(ring, inWorkflow("w1")).Decode(others)
	require.NoError(t, err)
	require.Equal(t, others, out)
	out, err = codec(ring, nil).Decode(nil)
	require.NoError(t, err)
	require.Empty(t, out)
}

func TestMissingKeyIsNamed(t *testing.T) {
	t.Parallel()
	sealed := seal(t, ringOf(t, "k1"), nil, payload(t, said))
	_, err := codec(ringOf(t, "k2"), nil).Decode([]*common.Payload{sealed})
	var missing *payloads.KeyError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "k1", missing.Key)
	require.ErrorContains(t, err, `payload is encrypted with key "k1", which is not in the key ring: add it to encryption.keys`)

	_, err = codec(ringOf(t, "k2", "k1"), nil).Decode([]*common.Payload{sealed})
	require.NoError(t, err, "an older key decrypts")
}

// Another key under the same name is told from a missing one.
func TestOtherKeyOfThatName(t *testing.T) {
	t.Parallel()
	sealed := seal(t, ringOf(t, "k1"), nil, payload(t, said))
	other, err := payloads.Open(t.Context(), payloads.Config{
		Key: "k1", Keys: map[string]payloads.Source{"k1": {Env: "ANY"}},
		LookupEnv: func(string) (string, bool) { return keyText("another"), true },
	})
	require.NoError(t, err)
	_, err = codec(other, nil).Decode([]*common.Payload{sealed})
	require.ErrorContains(t, err, `another key of that name`)
}

// A failure's texts are encrypted, read by any workflow, and travel on as they are.
func TestFailures(t *testing.T) {
	t.Parallel()
	var o client.Options
	ringOf(t, "k1").Secure(&o)
	in := converter.WithFailureConverterSerializationContext(o.FailureConverter, inActivity("w1"))
	f := in.ErrorToFailure(temporal.NewApplicationErrorWithCause(said, "invalid", errors.New("because "+said), map[string]string{"remedy": said}))
	written, err := proto.Marshal(f)
	require.NoError(t, err)
	require.NotContains(t, string(written), "4711")
	require.Equal(t, "invalid", f.GetApplicationFailureInfo().GetType())

	out := converter.WithFailureConverterSerializationContext(o.FailureConverter, inWorkflow("w2"))
	got := out.FailureToError(f)
	require.ErrorContains(t, got, said)
	var app *temporal.ApplicationError
	require.ErrorAs(t, got, &app)
	var details map[string]string
	require.NoError(t, app.Details(&details))
	require.Equal(t, said, details["remedy"])
}

// A data converter of the program's own makes the payloads.
func TestSecureKeepsTheDataConverter(t *testing.T) {
	t.Parallel()
	o := client.Options{DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true}))}
	ring := ringOf(t, "k1")
	ring.Secure(&o)
	dc := converter.WithDataConverterSerializationContext(o.DataConverter, inWorkflow("w1"))
	sealed, err := dc.ToPayloads(said, 7)
	require.NoError(t, err)
	var (
		text string
		n    int
	)
	require.NoError(t, dc.FromPayloads(sealed, &text, &n))
	require.Equal(t, said, text)
	require.Equal(t, []string{`"` + said + `"`, "7"}, dc.ToStrings(sealed))
	opened, err := codec(ring, nil).Decode(sealed.GetPayloads())
	require.NoError(t, err)
	require.Equal(t, "binary/zlib", string(opened[0].GetMetadata()["encoding"]))
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, "k1")
	done := make(chan error)
	for i := range 8 {
		go func() {
			var err error
			for range 50 {
				id := inWorkflow(fmt.Sprint("w", i))
				text := bytes.Repeat([]byte{byte(i)}, 1000)
				var out []*common.Payload
				if out, err = codec(ring, id).Encode([]*common.Payload{{Data: text}}); err == nil {
					out, err = codec(ring, id).Decode(out)
				}
				if err == nil && !bytes.Equal(out[0].GetData(), text) {
					err = errors.New("another text came back")
				}
				if err != nil {
					break
				}
			}
			done <- err
		}()
	}
	for range 8 {
		require.NoError(t, <-done)
	}
}

// FuzzDecode holds that nothing a payload can have makes the codec fall over or give out
// what nobody sealed.
func FuzzDecode(f *testing.F) {
	ring, err := payloads.Open(context.Background(), payloads.Config{
		Key: "k1", Keys: map[string]payloads.Source{"k1": {Env: "K"}}, LookupEnv: func(string) (string, bool) { return keyText("k1"), true },
	})
	require.NoError(f, err)
	sealed, err := payloads.NewCodec(ring).Encode([]*common.Payload{{Data: []byte(strings.Repeat(said, 20))}})
	require.NoError(f, err)
	f.Add("k1", "", sealed[0].GetData())
	f.Add("k1", "w1", []byte{0})
	f.Fuzz(func(t *testing.T, name, workflow string, data []byte) {
		p := &common.Payload{Data: data, Metadata: map[string][]byte{
			"encoding": []byte(payloads.Encoding), payloads.MetadataKey: []byte(name), payloads.MetadataWorkflow: []byte(workflow),
		}}
		out, err := payloads.NewCodec(ring).Decode([]*common.Payload{p})
		if err == nil {
			require.Equal(t, strings.Repeat(said, 20), string(out[0].GetData()))
		}
	})
}
