//go:build conformance

package mcpservers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
)

const patience = 60 * time.Second

func server(home, name string) string {
	return filepath.Join(home, "node_modules", "@modelcontextprotocol", "server-"+name, "dist", "index.js")
}

// set makes a set of tools, and returns those of its tools that may be called again.
func set(t *testing.T, cfg mcp.Config) (*mcp.Set, map[string]bool) {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(testLog{t}, nil))
	s, err := mcp.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	listed, err := s.List(ctx)
	require.NoError(t, err)
	repeatable := map[string]bool{}
	for _, tool := range listed {
		require.NotEmpty(t, tool.Description, tool.Name)
		require.True(t, json.Valid(tool.Schema), tool.Name)
		repeatable[tool.Name] = tool.Repeatable
	}
	return s, repeatable
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func call(t *testing.T, s *mcp.Set, name string, arguments any) tools.Result {
	t.Helper()
	raw, err := json.Marshal(arguments)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	result, err := s.Call(ctx, tools.Call{Name: name, Arguments: raw, Key: "key"})
	require.NoError(t, err)
	return result
}

type fields map[string]any

func TestFilesystem(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	s, repeatable := set(t, mcp.Config{Command: []string{"node", server(install(t), "filesystem"), dir}})
	require.True(t, repeatable["read_text_file"])
	require.False(t, repeatable["edit_file"])

	long := strings.Repeat("größer & \"kleiner\"\n", 100_000)
	path := filepath.Join(dir, "a.txt")
	result := call(t, s, "write_file", fields{"path": path, "content": long})
	require.False(t, result.IsError, result.Content)
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, long, string(written))
	result = call(t, s, "read_text_file", fields{"path": path})
	require.False(t, result.IsError)
	require.Contains(t, result.Content, long)
	result = call(t, s, "read_text_file", fields{"path": "/etc/hostname"})
	require.True(t, result.IsError)
	require.Contains(t, result.Content, "Access denied")
	require.True(t, call(t, s, "read_text_file", fields{"file": path}).IsError, "the arguments do not fit")
	require.True(t, call(t, s, "no_such_tool", fields{}).IsError)
}

func TestMemory(t *testing.T) {
	t.Parallel()
	s, _ := set(t, mcp.Config{
		Command: []string{"node", server(install(t), "memory")},
		Env:     map[string]secret.String{"MEMORY_FILE_PATH": secret.String(filepath.Join(t.TempDir(), "memory.json"))},
	})
	entity := fields{"name": "order 1042", "entityType": "order", "observations": []string{"on its way"}}
	require.False(t, call(t, s, "create_entities", fields{"entities": []fields{entity}}).IsError)
	result := call(t, s, "search_nodes", fields{"query": "1042"})
	require.False(t, result.IsError)
	require.Contains(t, result.Content, "on its way")
	require.True(t, call(t, s, "create_entities", fields{"entities": "none"}).IsError)
}

func TestEverything(t *testing.T) {
	t.Parallel()
	home := install(t)
	for name, cfg := range map[string]func(*testing.T) mcp.Config{
		"Program": func(*testing.T) mcp.Config { return mcp.Config{Command: []string{"node", server(home, "everything")}} },
		"HTTP":    func(t *testing.T) mcp.Config { return mcp.Config{URL: serve(t, server(home, "everything"))} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, repeatable := set(t, cfg(t))
			require.True(t, repeatable["echo"])
			require.NoError(t, s.Check(t.Context()))
			require.Equal(t, tools.Result{Content: "Echo: hello"}, call(t, s, "echo", fields{"message": "hello"}))
			long := strings.Repeat("x", 2<<20)
			require.Equal(t, "Echo: "+long, call(t, s, "echo", fields{"message": long}).Content)
			require.Contains(t, call(t, s, "trigger-long-running-operation", fields{"duration": 1, "steps": 5}).Content, "completed")
			require.Contains(t, call(t, s, "get-tiny-image", fields{}).Content, "[image: image/png")
			structured := call(t, s, "get-structured-content", fields{"location": "New York"})
			require.False(t, structured.IsError, structured.Content)
			require.Contains(t, structured.Content, "temperature")
			require.True(t, call(t, s, "echo", fields{"message": 7}).IsError, "the arguments do not fit")
			require.True(t, call(t, s, "no-such-tool", fields{}).IsError)

			// A call that is given up may have been made. The next one is answered.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := s.Call(ctx, tools.Call{Name: "trigger-long-running-operation", Arguments: []byte(`{"duration":30,"steps":2}`)})
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.True(t, ce.Ambiguous)
			require.Equal(t, "Echo: again", call(t, s, "echo", fields{"message": "again"}).Content)
		})
	}
}

// The servers in Python are made with another SDK, the protocol's own in Python.
func TestPython(t *testing.T) {
	t.Parallel()
	bin := installPython(t)
	t.Run("Time", func(t *testing.T) {
		t.Parallel()
		s, _ := set(t, mcp.Config{Command: []string{filepath.Join(bin, "mcp-server-time"), "--local-timezone", "Europe/Berlin"}})
		result := call(t, s, "get_current_time", fields{"timezone": "Asia/Tokyo"})
		require.False(t, result.IsError, result.Content)
		require.Contains(t, result.Content, "Asia/Tokyo")
		require.True(t, call(t, s, "get_current_time", fields{"timezone": "Nowhere/At_All"}).IsError)
		require.True(t, call(t, s, "convert_time", fields{"time": 7}).IsError, "the arguments do not fit")
		require.True(t, call(t, s, "no_such_tool", fields{}).IsError)
		require.NoError(t, s.Check(t.Context()))
	})
	t.Run("Fetch", func(t *testing.T) {
		t.Parallel()
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, strings.Repeat("a long page ", 100_000))
		}))
		t.Cleanup(page.Close)
		s, _ := set(t, mcp.Config{Command: []string{filepath.Join(bin, "mcp-server-fetch"), "--ignore-robots-txt", "--allow-private-ips"}})
		result := call(t, s, "fetch", fields{"url": page.URL, "max_length": 900_000, "raw": true})
		require.False(t, result.IsError, result.Content)
		require.Greater(t, len(result.Content), 800_000)
		require.True(t, call(t, s, "fetch", fields{"url": "http://127.0.0.1:1/"}).IsError)
		require.True(t, call(t, s, "fetch", fields{"url": 7}).IsError)
	})
}

// serve starts the server over streamable HTTP, and returns its address.
func serve(t *testing.T, program string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	node := exec.CommandContext(ctx, "node", program, "streamableHttp")
	node.Env = append(os.Environ(), "PORT="+port)
	require.NoError(t, node.Start())
	t.Cleanup(func() {
		stop()
		_ = node.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, patience, 50*time.Millisecond, "the server does not start")
	return fmt.Sprintf("http://%s/mcp", address)
}
