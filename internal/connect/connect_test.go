package connect_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/connect/connecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(t *testing.T, o connect.Options) *connect.Client {
	t.Helper()
	c, err := connect.Dial(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestDial(t *testing.T) {
	t.Parallel()
	address := (&connecttest.Server{Namespaces: []string{"default", "talks"}, Key: "s3cret"}).Start(t)
	profile := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(profile, []byte("[profile.work]\naddress = \""+address+"\"\nnamespace = \"talks\"\napi_key = \"s3cret\"\ntls.disabled = true\n"), 0o600))

	cases := []struct {
		name      string
		options   connect.Options
		namespace string
	}{
		{"Environment", connect.Options{Environ: []string{
			"TEMPORAL_ADDRESS=" + address, "TEMPORAL_NAMESPACE=talks", "TEMPORAL_API_KEY=s3cret", "TEMPORAL_TLS=false",
		}}, "talks"},
		{"Profile", connect.Options{Environ: []string{"TEMPORAL_CONFIG_FILE=" + profile, "TEMPORAL_PROFILE=work"}}, "talks"},
		{"Overrides", connect.Options{Environ: []string{"TEMPORAL_CONFIG_FILE=" + profile, "TEMPORAL_PROFILE=work"}, Namespace: "default"}, "default"},
		{"Lookup", connect.Options{Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"TEMPORAL_CONFIG_FILE": profile, "TEMPORAL_PROFILE": "work"}[name]
			return v, ok
		}}, "talks"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			temporal := dial(t, c.options)
			require.Equal(t, address, temporal.Address)
			require.Equal(t, c.namespace, temporal.Namespace)
			_, err := temporal.CheckHealth(t.Context(), &client.CheckHealthRequest{})
			require.NoError(t, err)
		})
	}
}

func TestDialFails(t *testing.T) {
	t.Parallel()
	open := (&connecttest.Server{}).Start(t)
	locked := (&connecttest.Server{Key: "s3cret"}).Start(t)
	silent := (&connecttest.Server{Silent: true}).Start(t)
	none := filepath.Join(t.TempDir(), "none.toml") // not the developer's own
	closed := func() string {
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return l.Addr().String()
	}()
	cases := []struct {
		name    string
		address string
		environ []string
		want    error
		text    string
	}{
		{"Nobody", closed, nil, connect.ErrUnreachable, "temporal: no Temporal server at " + closed + ": connect: connection refused (start one with make demo or temporal server start-dev, or set TEMPORAL_ADDRESS)"},
		{"Silent", silent, nil, connect.ErrUnreachable, "temporal: no Temporal server at " + silent +
			": no answer within 300ms (start one with make demo or temporal server start-dev, or set TEMPORAL_ADDRESS)"},
		{"NoPort", "localhost", nil, connect.ErrConfig,
			`temporal: the address "localhost" is no host:port (write it like 127.0.0.1:7233, in TEMPORAL_ADDRESS or the profile)`},
		{"NoNamespace", open, []string{"TEMPORAL_NAMESPACE=talks"}, connect.ErrNamespace, "temporal: the server at " + open +
			` has no namespace "talks" (set TEMPORAL_NAMESPACE, or make it: temporal operator namespace create --namespace talks)`},
		{"WrongKey", locked, []string{"TEMPORAL_API_KEY=wr0ng", "TEMPORAL_TLS=false"}, connect.ErrDenied, "temporal: the server at " + locked +
			" refuses the credentials: Request unauthorized. (check TEMPORAL_API_KEY, the TEMPORAL_TLS_* variables and the profile)"},
		{"NoProfile", open, []string{"TEMPORAL_PROFILE=work"}, connect.ErrConfig,
			"temporal: unable to find profile work in config data (check the TEMPORAL_* variables and the profile)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := connect.Dial(t.Context(), connect.Options{
				Environ: append([]string{"TEMPORAL_CONFIG_FILE=" + none}, c.environ...), Address: c.address, Timeout: 300 * time.Millisecond,
			})
			require.ErrorIs(t, err, c.want)
			require.EqualError(t, err, c.text)
		})
	}
	t.Run("TLSWhereThereIsNone", func(t *testing.T) {
		t.Parallel()
		_, err := connect.Dial(t.Context(), connect.Options{Environ: []string{"TEMPORAL_CONFIG_FILE=" + none, "TEMPORAL_TLS=true"}, Address: open})
		require.ErrorIs(t, err, connect.ErrUnreachable)
		require.ErrorContains(t, err, "temporal: no secure connection to "+open)
		require.NotContains(t, err.Error(), "\n")
	})
	t.Run("Cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := connect.Dial(ctx, connect.Options{Environ: []string{"TEMPORAL_CONFIG_FILE=" + none}, Address: silent})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestSearchAttributes(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T, server *connecttest.Server) *connect.Client {
		t.Helper()
		none := "TEMPORAL_CONFIG_FILE=" + filepath.Join(t.TempDir(), "none.toml")
		return dial(t, connect.Options{Environ: []string{none}, Address: server.Start(t)})
	}
	t.Run("There", func(t *testing.T) {
		t.Parallel()
		c := setup(t, &connecttest.Server{Attributes: connecttest.All()})
		added, err := connect.EnsureSearchAttributes(t.Context(), c, c.Namespace)
		require.NoError(t, err)
		require.Empty(t, added)
	})
	t.Run("Added", func(t *testing.T) {
		t.Parallel()
		have := connecttest.All()
		delete(have, "ParleyAgent")
		delete(have, "ParleyTurns")
		c := setup(t, &connecttest.Server{Attributes: have, Stale: 1})
		found, err := connect.CheckSearchAttributes(t.Context(), c, c.Namespace)
		require.NoError(t, err)
		require.Equal(t, connect.SearchAttributes{Missing: []string{"ParleyAgent", "ParleyTurns"}, Addable: true}, found)
		added, err := connect.EnsureSearchAttributes(t.Context(), c, c.Namespace)
		require.NoError(t, err)
		require.Equal(t, found.Missing, added)
		found, err = connect.CheckSearchAttributes(t.Context(), c, c.Namespace)
		require.NoError(t, err)
		require.Empty(t, found.Missing)
	})
	t.Run("NotAllowed", func(t *testing.T) {
		t.Parallel()
		have := connecttest.All()
		delete(have, "ParleyTurns")
		c := setup(t, &connecttest.Server{Attributes: have, ReadOnly: true})
		_, err := connect.EnsureSearchAttributes(t.Context(), c, c.Namespace)
		require.ErrorIs(t, err, connect.ErrSearchAttributes)
		require.EqualError(t, err, `temporal: namespace "default" lacks search attributes (ParleyTurns) and they cannot be added: not for you `+
			"(run as an operator: go run ./starter setup, or: temporal operator search-attribute create --namespace default --name ParleyTurns --type Int)")
	})
	t.Run("NoOperator", func(t *testing.T) {
		t.Parallel()
		have := connecttest.All()
		delete(have, "ParleyTurns")
		c := setup(t, &connecttest.Server{Attributes: have, NoOperator: true})
		got, err := connect.CheckSearchAttributes(t.Context(), c, c.Namespace)
		require.NoError(t, err)
		require.Equal(t, connect.SearchAttributes{Missing: []string{"ParleyTurns"}}, got)
	})
	t.Run("WrongType", func(t *testing.T) {
		t.Parallel()
		have := connecttest.All()
		have["ParleyTurns"] = enums.INDEXED_VALUE_TYPE_KEYWORD
		c := setup(t, &connecttest.Server{Attributes: have})
		_, err := connect.EnsureSearchAttributes(t.Context(), c, c.Namespace)
		require.ErrorIs(t, err, connect.ErrSearchAttributes)
		require.True(t, strings.Contains(err.Error(), "ParleyTurns is of type Keyword and must be Int"), err.Error())
	})
}

// A plugin has the last word on a client's options. What it set is what the
// connection says of itself.
type plugin struct {
	client.PluginBase
	converter converter.DataConverter
}

func (plugin) Name() string { return "test" }

func (p plugin) ConfigureClient(_ context.Context, o client.PluginConfigureClientOptions) error {
	o.ClientOptions.DataConverter = p.converter
	o.ClientOptions.Namespace = "talks"
	return nil
}

func TestTheClientTellsWhatItWasMadeWith(t *testing.T) {
	t.Parallel()
	address := (&connecttest.Server{Namespaces: []string{"talks"}}).Start(t)
	codec := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), converter.NewZlibCodec(converter.ZlibCodecOptions{}))
	temporal := dial(t, connect.Options{
		Environ: []string{"TEMPORAL_CONFIG_FILE=" + filepath.Join(t.TempDir(), "none")}, Identity: "me",
		Change: func(o *client.Options) {
			require.Equal(t, "me", o.Identity)
			o.HostPort, o.Identity = address, "other"
			o.Plugins = append(o.Plugins, plugin{converter: codec})
		},
	})
	require.Equal(t, address, temporal.Address)
	require.Equal(t, "talks", temporal.Namespace)
	require.Equal(t, "other", temporal.Identity)
	require.Same(t, codec, temporal.Converter)

	_, err := connect.Dial(t.Context(), connect.Options{Change: func(o *client.Options) { o.HostPort = "nowhere" }})
	require.ErrorIs(t, err, connect.ErrConfig)
}
