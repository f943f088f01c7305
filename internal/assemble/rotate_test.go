package assemble_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
)

// keyed is a server that refuses every key but one.
type keyed struct {
	*httptest.Server
	mu    sync.Mutex
	takes string
	seen  []string
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	k := &keyed{takes: "first-key-0"}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		defer k.mu.Unlock()
		all := fmt.Sprint(r.Header)
		for _, key := range []string{"first-key-0", "second-key-0"} {
			if strings.Contains(all, key) {
				k.seen = append(k.seen, key)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if !strings.Contains(all, k.takes) {
			w.WriteHeader(http.StatusUnauthorized)
			if r.Header.Get("X-Api-Key") != "" && r.Method == http.MethodGet { // OneRun's own shape
				_, _ = w.Write([]byte(`{"detail":"API key is not valid"}`))
				return
			}
			_, _ = w.Write([]byte(`{"error":{"message":"bad key","type":"authentication_error","code":"invalid_api_key","status":"UNAUTHENTICATED"}}`))
			return
		}
		_, _ = w.Write([]byte(`{}`))
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *keyed) take(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.takes, k.seen = key, nil
}

func (k *keyed) newest() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seen) == 0 {
		return "none"
	}
	return k.seen[len(k.seen)-1]
}

// Whatever sends a key that comes from a file: a call that is refused takes the file's new
// key, in the same call. An empty file changes nothing.
func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	speak := func(t *testing.T, a *assemble.Assembly) error {
		t.Helper()
		e, err := a.Executors.Get("it")
		require.NoError(t, err)
		_, err = e.Execute(t.Context(), executors.Request{Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "hi")}})
		return err
	}
	for name, test := range map[string]struct {
		yaml string
		use  func(*testing.T, *assemble.Assembly) error
	}{
		"onerun": {"platforms: {main: {type: onerun, base_url: %q, api_key: %q}}", func(t *testing.T, a *assemble.Assembly) error {
			return a.Platforms["main"].Platform.Check(t.Context(), "p1", "a1")
		}},
		"openai":    {"executors: {it: {type: openai, model: m, base_url: %q, api_key: %q}}", speak},
		"anthropic": {"executors: {it: {type: anthropic, model: m, base_url: %q, api_key: %q}}", speak},
		"gemini":    {"executors: {it: {type: gemini, model: m, base_url: %q, api_key: %q}}", speak},
		"http":      {"executors: {it: {type: http, url: %q, bearer_token: %q}}", speak},
		"a2a":       {"executors: {it: {type: a2a, url: %q, bearer_token: %q}}", speak},
		"header":    {"executors: {it: {type: http, url: %q, headers: {X-Api-Key: %q}}}", speak},
		"mcp": {"tools: {it: {type: mcp, url: %q, headers: {Authorization: \"Bearer %s\"}}}", func(t *testing.T, a *assemble.Assembly) error {
			return a.Tools.List(t.Context())[0].Err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, dir := newKeyed(t), t.TempDir()
			file := filepath.Join(dir, "key")
			write := func(key string) { require.NoError(t, os.WriteFile(file, []byte(key), 0o600)) }
			write("first-key-0\n")
			yaml := fmt.Sprintf(test.yaml, k.URL, "${file:"+file+"}")
			if !strings.Contains(yaml, "platforms:") {
				yaml += "\nplatforms: {main: {type: onerun, base_url: \"http://127.0.0.1:1\", api_key: \"${KEY}\"}}"
			}
			if !strings.Contains(yaml, "executors:") {
				yaml += "\nexecutors: {it: {type: scripted}}"
			}
			yaml += "\nagents: {desk: {platform: main, project: p1, agent: a1}}\n"
			path := filepath.Join(dir, "parley.yaml")
			require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
			a, err := assemble.LoadWith(config.Source{Path: path, Lookup: func(name string) (string, bool) { return "other", name == "KEY" }}, assemble.Builtin())
			require.NoError(t, err)
			t.Cleanup(func() { _ = a.Close() })

			_ = test.use(t, a)
			require.Equal(t, "first-key-0", k.newest())
			k.take("second-key-0")
			write("")
			_ = test.use(t, a)
			require.Equal(t, "first-key-0", k.newest(), "an empty file")
			write("second-key-0\n")
			_ = test.use(t, a)
			require.Equal(t, "second-key-0", k.newest())
		})
	}
}
