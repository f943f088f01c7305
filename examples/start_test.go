package examples_test

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	agent "github.com/parley-run/parley/executors/http"
)

// needs skips the test where there is nothing to run the example with. What CI
// passes has run: there it fails.
func needs(t *testing.T, program string) {
	t.Helper()
	_, err := exec.LookPath(program)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not installed, and CI must run this", program)
	default:
		t.Skipf("%s is not installed", program)
	}
}

var listening = regexp.MustCompile(`listening on (http://\S+)`)

// start runs a server until the end of the test and returns its address.
func start(t *testing.T, dir string, env []string, name string, args ...string) *url.URL {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines, said := bufio.NewReader(stderr), ""
	for {
		line, err := lines.ReadString('\n')
		said += line
		if found := listening.FindStringSubmatch(line); found != nil {
			go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the server
			u, err := url.Parse(found[1])
			require.NoError(t, err)
			return u
		}
		require.NoError(t, err, "the server did not start: %s", said)
	}
}

// moved has the executor ask the server at u.
func moved(t *testing.T, cfg agent.Config, u *url.URL) *agent.Executor {
	t.Helper()
	at, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	at.Host = u.Host
	cfg.URL = at.String()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = &http.Client{Transport: transport}
	e, err := agent.New(cfg)
	require.NoError(t, err)
	return e
}
