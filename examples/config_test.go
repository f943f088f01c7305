package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/command"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

func TestMain(m *testing.M) { localstacktest.Main(m) }

const (
	token      = "token-for-the-examples"
	hmacSecret = "secret-for-the-examples"
)

// configured reads one executor of an example's configuration, as strictly as the
// worker does.
func configured[C any](t *testing.T, example, name string) C {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(example, "parley.yaml"))
	require.NoError(t, err)
	var file struct {
		Executors map[string]yaml.Node `yaml:"executors"`
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	node, ok := file.Executors[name]
	require.True(t, ok, "%s has no executor %q", example, name)
	text, err := yaml.Marshal(&node)
	require.NoError(t, err)
	text = []byte(strings.NewReplacer("${AGENT_TOKEN}", token, "${AGENT_HMAC_SECRET}", hmacSecret, "${LANGSMITH_API_KEY}", "key").Replace(string(text)))
	var settings struct {
		Type   string `yaml:"type"`
		Config C      `yaml:",inline"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	require.NoError(t, dec.Decode(&settings), "%s: %s", example, name)
	require.Equal(t, fmt.Sprintf("%T", settings.Config), map[string]string{
		"http": "http.Config", "command": "command.Config", "openai": "openai.Config",
	}[settings.Type])
	return settings.Config
}

// Every configuration is valid.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*/parley.yaml")
	require.NoError(t, err)
	// The executors of embed are those of its program, whose tests read its file.
	pages = slices.DeleteFunc(pages, func(page string) bool { return filepath.Dir(page) == "embed" })
	require.Len(t, pages, 5)
	for _, page := range pages {
		example := filepath.Dir(page)
		var file struct {
			Executors map[string]struct {
				Type string `yaml:"type"`
			} `yaml:"executors"`
		}
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(data, &file))
		require.NotEmpty(t, file.Executors)
		for name, about := range file.Executors {
			t.Run(example+"/"+name, func(t *testing.T) {
				t.Parallel()
				var (
					e   executors.Executor
					err error
				)
				switch about.Type {
				case "command":
					e, err = command.New(configured[command.Config](t, example, name))
				case "http":
					e, err = agent.New(configured[agent.Config](t, example, name))
				case "openai":
					e, err = openai.New(configured[openai.Config](t, example, name))
				}
				require.NoError(t, err)
				require.NotNil(t, e, "type %q", about.Type)
			})
		}
	}
}
