package pulse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/platforms/pulse"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	var cfg pulse.Config
	require.NoError(t, yaml.Unmarshal([]byte(
		"url: http://localhost:8000\napi_key: k\ntypes: [run_agent, mine]\ntimeout: 5s\nresult_summary: 2048\n"), &cfg))
	require.Equal(t, pulse.Config{
		URL: "http://localhost:8000", Key: "k", Types: []string{"run_agent", "mine"},
		Timeout: 5 * time.Second, ResultSummary: bytesOf(2048),
	}, cfg)
	require.NoError(t, cfg.Validate())
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	good := pulse.Config{URL: "http://localhost:8000", Key: testKey}
	for _, tt := range []struct {
		name  string
		spoil func(*pulse.Config)
		want  []string // nil: no fault
	}{
		{name: "Good", spoil: func(*pulse.Config) {}},
		{name: "NoKey", spoil: func(c *pulse.Config) { c.Key = "" }},
		{name: "Spaces", spoil: func(c *pulse.Config) { c.URL, c.Key = " https://pulse.example/base/ \n", testKey+"\n" }},
		{name: "NoURL", spoil: func(c *pulse.Config) { c.URL = " " }, want: []string{"url is empty", "PULSE_SERVER_URL"}},
		{name: "Route", spoil: func(c *pulse.Config) { c.URL = "http://localhost:8000/tasks/" },
			want: []string{"url ends in /tasks", "write http://localhost:8000"}},
		{name: "NoScheme", spoil: func(c *pulse.Config) { c.URL = "localhost:8000" },
			want: []string{`url is "localhost:8000", which is no http:// or https:// address`}},
		{name: "Query", spoil: func(c *pulse.Config) { c.URL = "http://localhost:8000?token=hush" }, want: []string{"query"}},
		{name: "Password", spoil: func(c *pulse.Config) { c.URL = "http://me:hush@localhost" }, want: []string{"user name or password"}},
		{name: "PasswordInABrokenURL", spoil: func(c *pulse.Config) { c.URL = "http://me:hush@local host" }, want: []string{"url"}},
		{name: "KeyOfTwoLines", spoil: func(c *pulse.Config) { c.Key = "hush\nhush" }, want: []string{"api_key contains a space, a line break"}},
		{name: "Timeout", spoil: func(c *pulse.Config) { c.Timeout = -1 }, want: []string{"timeout is -1ns"}},
		{name: "Name", spoil: func(c *pulse.Config) { c.Name = "a/b" }, want: []string{`name "a/b" contains a slash`}},
		{name: "NoTypes", spoil: func(c *pulse.Config) { c.Types = []string{} }, want: []string{"types is empty", "run_agent and execute_agent"}},
		{name: "Types", spoil: func(c *pulse.Config) { c.Types = []string{"a,b", " c", "", "d", "d", "http_request"} },
			want: []string{`"a,b", which is no type`, `"c", which is no type`, `"", which is no type`, `"d", which is there twice`, `"http_request", and such tasks run no agent`}},
		{name: "ResultSummary", spoil: func(c *pulse.Config) { c.ResultSummary = bytesOf(-1) }, want: []string{"result_summary is -1"}},
		{name: "LongResultSummary", spoil: func(c *pulse.Config) { c.ResultSummary = bytesOf(1 << 20) }, want: []string{"result_summary is 1048576: write a number of bytes up to 4096"}},
		{name: "AllAtOnce", spoil: func(c *pulse.Config) {
			*c = pulse.Config{Key: "a b", Timeout: -1, ResultSummary: bytesOf(-1), Types: []string{}}
		},
			want: []string{"url is empty", "api_key contains", "timeout is -1ns", "result_summary is -1", "types is empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			tt.spoil(&cfg)
			p, err := pulse.New(cfg)
			if tt.want == nil {
				require.NoError(t, err)
				require.NotNil(t, p)
				return
			}
			require.Nil(t, p)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "hush")
			require.NotContains(t, err.Error(), testKey)
		})
	}
	_, err := pulse.NewClient(pulse.ClientConfig{})
	require.ErrorContains(t, err, "pulse: url is empty")
}
