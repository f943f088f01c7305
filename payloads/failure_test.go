package payloads_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/proto"

	"github.com/parley-run/parley/payloads"
)

// What a worker says about a key is readable without one, and nothing else is.
func TestFailuresAboutKeysAreReadable(t *testing.T) {
	t.Parallel()
	var o client.Options
	ringOf(t, "k1").Secure(&o)
	missing := &payloads.KeyError{Key: "k9", Workflow: "main/p/c"}
	for name, tc := range map[string]struct {
		err        error
		kind, text string
	}{
		"Missing": {fmt.Errorf("decode %s: %w", said, missing), payloads.ErrTypeMissingKey, missing.Error()},
		"Changed": {fmt.Errorf("decode %s: %w", said, &payloads.SealError{Key: "k9"}), payloads.ErrTypeUnreadable, (&payloads.SealError{Key: "k9"}).Error()},
		"Panic":   {errors.New(panicText(t, missing)), payloads.ErrTypeMissingKey, missing.Error()},
		"Other":   {errors.New(said), "", ""},
		"Quoted":  {errors.New(said + " payload is encrypted with key \"k9\", which is not in the key ring"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := o.FailureConverter.ErrorToFailure(tc.err)
			written, err := proto.Marshal(f)
			require.NoError(t, err)
			require.NotContains(t, string(written), "4711")
			if tc.kind == "" {
				require.Equal(t, "Encoded failure", f.GetMessage())
				return
			}
			require.Equal(t, tc.kind, f.GetApplicationFailureInfo().GetType())
			require.Equal(t, tc.text, f.GetMessage())
			require.False(t, f.GetApplicationFailureInfo().GetNonRetryable(), "heartbeats are kept over retries only")
			require.Equal(t, 30*time.Second, f.GetApplicationFailureInfo().GetNextRetryDelay().AsDuration())
			var app *temporal.ApplicationError
			require.ErrorAs(t, converter.WithFailureConverterSerializationContext(o.FailureConverter, inWorkflow("w1")).FailureToError(f), &app)
			require.Equal(t, tc.kind, app.Type())
		})
	}
}

// panicText is what the SDK makes of a panic.
func panicText(t *testing.T, err error) (text string) {
	t.Helper()
	defer func() { text = fmt.Sprint(recover()) }()
	payloads.MustRead(fmt.Errorf("somewhere: %w", err))
	return ""
}

func TestMustRead(t *testing.T) {
	t.Parallel()
	payloads.MustRead(nil)
	payloads.MustRead(errors.New("of another kind"))
	require.Panics(t, func() { payloads.MustRead(&payloads.SealError{Key: "k"}) })
}

// An attempt that cannot read what the one before it recorded must not go on as if that
// had recorded nothing: it would send again.
func TestHeartbeatWithoutItsKey(t *testing.T) {
	t.Parallel()
	run := func(key string) (string, error) {
		var o client.Options
		ringOf(t, key).Secure(&o)
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		var before client.Options
		ringOf(t, "k1").Secure(&before)
		env.SetDataConverter(before.DataConverter)
		env.SetHeartbeatDetails("was sent")
		env.SetDataConverter(o.DataConverter).SetFailureConverter(o.FailureConverter)
		env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{o.Interceptors[0].(interceptor.WorkerInterceptor)}})
		act := func(ctx context.Context) (string, error) {
			var mark string
			if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &mark) == nil {
				return mark, nil
			}
			return "nothing was sent", nil
		}
		env.RegisterActivityWithOptions(act, activity.RegisterOptions{Name: "act"})
		out, err := env.ExecuteActivity("act")
		if err != nil {
			return "", err
		}
		var text string
		return text, out.Get(&text)
	}
	text, err := run("k1")
	require.NoError(t, err)
	require.Equal(t, "was sent", text)
	_, err = run("k2")
	require.ErrorContains(t, err, `payload is encrypted with key "k1"`)
}

// The ring tells which keys payloads ask for, until they come or nobody asks any more.
func TestMissingKeysAreTold(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"keys/k1": keyText("k1")})
	ring, err := payloads.Open(t.Context(), payloads.Config{Directory: "keys", Key: "k1", Dir: dir})
	require.NoError(t, err)
	now := time.Now()
	ring.At(func() time.Time { return now })
	require.Empty(t, ring.Missing())
	for _, name := range []string{"k2", "k3"} {
		_, err := codec(ring, nil).Decode([]*common.Payload{seal(t, ringOf(t, name), inWorkflow("w1"), payload(t, said))})
		require.ErrorContains(t, err, `(workflow "w1")`)
	}
	require.Equal(t, []string{"k2", "k3"}, ring.Missing())
	write(t, dir, "keys/k2", keyText("k2"))
	now = now.Add(16 * time.Second)
	require.Equal(t, []string{"k3"}, ring.Missing())
	now = now.Add(16 * time.Minute)
	require.Empty(t, ring.Missing())
}
