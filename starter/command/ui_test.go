package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/rig"
)

func TestUIRefusesAPortThatIsNone(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, codeUsage, run(t.Context(), []string{"ui", "--port", "70000"}, nil, strings.NewReader(""), &stdout, &stderr))
	require.Contains(t, stderr.String(), "--port 70000 is no port")
}

// The address goes to standard output, the page has the conversations, and it ends with the
// command. A bundle has the same.
func TestUI(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	h.StartWorker(t)
	h.starter(codeOK, "run", "--agent", "support", "--wait")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"ui", "--read-only", "--output", "json", "--agent", "support"}, h.environ, strings.NewReader(""), in, io.Discard)
		_ = in.Close()
	}()
	var at struct{ URL string }
	first, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(first, &at))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(address string) (int, string) {
		res, err := browser.Get(address)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	code, _ := get(at.URL)
	require.Equal(t, http.StatusOK, code)
	page, err := url.Parse(at.URL)
	require.NoError(t, err)
	page.RawQuery = ""
	rig.Eventually(t, func() bool {
		_, text := get(page.String())
		return strings.Contains(text, "1 closed")
	})
	cancel()
	require.Contains(t, []int{codeOK, 130}, <-ended)

	dir := filepath.Join(t.TempDir(), "pages")
	require.Contains(t, h.starter(codeOK, "ui", "--bundle", dir, "--agent", "support"), "index.html: 1 conversation\n")
	require.FileExists(t, filepath.Join(dir, "index.html"))
}
