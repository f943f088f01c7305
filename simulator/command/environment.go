package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/httpclient"
)

// An environment is the settings of a OneRun worker.
type environment struct {
	baseURL, key, project, agent string
}

// tellEnv writes the environment to --env-file, and to stdout without the key unless
// only the user reads that.
func (f flags) tellEnv(stdout io.Writer, e environment) error {
	if f.envFile != "" {
		var text bytes.Buffer
		writeEnv(&text, e)
		if err := writePrivate(f.envFile, text.Bytes()); err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
	}
	if !private(stdout) {
		e.key = ""
	}
	writeEnv(stdout, e)
	return nil
}

// writeEnv writes what a shell can evaluate. An empty key is omitted.
func writeEnv(w io.Writer, e environment) {
	for _, v := range [][2]string{
		{"ONERUN_API_BASE_URL", e.baseURL}, {"ONERUN_API_KEY", e.key}, {"ONERUN_PROJECT_ID", e.project}, {"ONERUN_AGENT_ID", e.agent},
	} {
		if v[1] == "" {
			fmt.Fprintf(w, "# %s is omitted: the key is printed only to a terminal, or into a file that only its owner can read\n", v[0])
			continue
		}
		fmt.Fprintf(w, "export %s=%s\n", v[0], quote(v[1]))
	}
}

func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:%@[]"

// baseURL is the address for a worker on this machine.
func baseURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// printEnv asks a running simulator for its newest project and agent.
func printEnv(ctx context.Context, f flags, stdout io.Writer) error {
	e := environment{baseURL: "http://" + f.addr, key: f.apiKey}
	if host, port, err := net.SplitHostPort(f.addr); err == nil && host == "" {
		e.baseURL = "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	var err error
	if e.project, err = newest(ctx, e, "/v1/projects", nil); err == nil {
		e.agent, err = newest(ctx, e, "/v1/agents", url.Values{"project_id": {e.project}})
	}
	if err != nil {
		return fmt.Errorf("--print-env: %w", err)
	}
	return f.tellEnv(stdout, e)
}

func newest(ctx context.Context, e environment, path string, query url.Values) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.baseURL+path+"?limit=1&"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Api-Key", e.key)
	resp, err := httpclient.New(httpclient.Config{}).Do(req)
	if err != nil {
		return "", fmt.Errorf("%w; check that a simulator runs there, or give its address with --addr", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return "", errors.New("the simulator wants another key; give --api-key")
	default:
		return "", fmt.Errorf("%s answers %s; check that it is a simulator", e.baseURL, resp.Status)
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return "", fmt.Errorf("%s does not answer like a simulator: %w", e.baseURL, err)
	}
	if len(list.Data) == 0 {
		return "", fmt.Errorf("the simulator at %s has nothing under %s yet", e.baseURL, path)
	}
	return list.Data[0].ID, nil
}
