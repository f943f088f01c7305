package onerun_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/platforms/onerun"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	var cfg onerun.Config
	require.NoError(t, yaml.Unmarshal([]byte(
		"base_url: http://localhost:3001\napi_key: k\nopening: agent\ntimeout: 5s\nresponse_timeout: 3m\n"), &cfg))
	require.Equal(t, onerun.Config{
		BaseURL: "http://localhost:3001", APIKey: "k", Opening: onerun.OpeningAgent,
		Timeout: 5 * time.Second, ResponseTimeout: 3 * time.Minute,
	}, cfg)
	require.NoError(t, cfg.Validate())
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	good := onerun.Config{BaseURL: "http://localhost:3001", APIKey: testKey}
	for _, tt := range []struct {
		name  string
		spoil func(*onerun.Config)
		want  []string // nil: no fault
	}{
		{name: "Good", spoil: func(*onerun.Config) {}},
		{name: "HTTPS", spoil: func(c *onerun.Config) { c.BaseURL = "https://api.example.com/onerun/" }},
		{name: "Spaces", spoil: func(c *onerun.Config) { c.BaseURL, c.APIKey = " http://localhost:3001/ \n", testKey+"\n" }},
		{name: "NoBaseURL", spoil: func(c *onerun.Config) { c.BaseURL = " " },
			want: []string{"base_url is empty", "ONERUN_API_BASE_URL", "http://localhost:3001"}},
		{name: "V1", spoil: func(c *onerun.Config) { c.BaseURL = "http://localhost:3001/v1/" },
			want: []string{"base_url contains /v1", "write http://localhost:3001"}},
		{name: "V1BelowAPath", spoil: func(c *onerun.Config) { c.BaseURL = "https://x.example/one/v1/simulations" },
			want: []string{"base_url contains /v1", "write https://x.example/one"}},
		{name: "NoScheme", spoil: func(c *onerun.Config) { c.BaseURL = "localhost:3001" },
			want: []string{`base_url is "localhost:3001", which is no http:// or https:// address`}},
		{name: "OtherScheme", spoil: func(c *onerun.Config) { c.BaseURL = "ftp://localhost" }, want: []string{"no http://"}},
		{name: "NoHost", spoil: func(c *onerun.Config) { c.BaseURL = "http:///x" }, want: []string{"no http://"}},
		{name: "Query", spoil: func(c *onerun.Config) { c.BaseURL = "http://localhost:3001?token=hush" }, want: []string{"query"}},
		{name: "Password", spoil: func(c *onerun.Config) { c.BaseURL = "http://me:hush@localhost:3001" }, want: []string{"user name or password"}},
		{name: "PasswordWithoutScheme", spoil: func(c *onerun.Config) { c.BaseURL = "me:hush@localhost:3001" }, want: []string{"localhost:3001"}},
		{name: "PasswordInABrokenURL", spoil: func(c *onerun.Config) { c.BaseURL = "http://me:hush@local host" }, want: []string{"base_url"}},
		{name: "NoKey", spoil: func(c *onerun.Config) { c.APIKey = "" }, want: []string{"api_key is empty", "ONERUN_API_KEY"}},
		{name: "KeyOfTwoLines", spoil: func(c *onerun.Config) { c.APIKey = "hush\nhush" }, want: []string{"api_key contains a line break"}},
		{name: "Opening", spoil: func(c *onerun.Config) { c.Opening = "me" }, want: []string{`opening is "me": use "persona" or "agent"`}},
		{name: "Timeout", spoil: func(c *onerun.Config) { c.Timeout = -1 }, want: []string{"timeout is -1ns"}},
		{name: "ResponseTimeout", spoil: func(c *onerun.Config) { c.ResponseTimeout = -time.Second }, want: []string{"response_timeout is -1s"}},
		{name: "Name", spoil: func(c *onerun.Config) { c.Name = "a/b" }, want: []string{`name "a/b" contains a slash`}},
		{name: "Header", spoil: func(c *onerun.Config) { c.Header = map[string]string{"X-A": "hush\r\n", "b c": "1"} },
			want: []string{`header "X-A"`, `header "b c"`}},
		{name: "AllAtOnce", spoil: func(c *onerun.Config) { *c = onerun.Config{Opening: "x", Timeout: -1, ResponseTimeout: -1} },
			want: []string{"base_url is empty", "api_key is empty", "opening is", "timeout is -1ns", "response_timeout is"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			tt.spoil(&cfg)
			p, err := onerun.New(cfg)
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
}

func TestNewClientFaults(t *testing.T) {
	t.Parallel()
	c, err := onerun.NewClient(onerun.ClientConfig{HTTPClient: http.DefaultClient})
	require.Nil(t, c)
	require.ErrorContains(t, err, "onerun: base_url is empty")
	require.ErrorContains(t, err, "api_key is empty")
}
