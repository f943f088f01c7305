package pulse_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/secret"
)

const testKey = "key-0123456789abcdef"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is a full minute, far from our own time: nothing may depend on that.
var noon = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

var quiet = log.New(io.Discard, "", 0)

// allStages are tested alike where they behave alike.
var allStages = []pulse.Stage{pulse.StageA, pulse.StageA2, pulse.StageB, pulse.StageC}

// A bundle is a stand-in whose clock stands still, and a platform that talks to it.
type bundle struct {
	*pulsetest.Server
	clock    *pulsetest.Clock
	url      string
	platform *pulse.Platform
}

func setup(t testing.TB, cfg pulsetest.Config, change ...func(*pulse.Config)) *bundle {
	t.Helper()
	b := &bundle{clock: pulsetest.NewClock(noon)}
	cfg.Key, cfg.Clock = testKey, b.clock
	b.Server = pulsetest.New(cfg)
	b.url = serve(t, b.Server)
	b.platform = b.another(t, change...)
	return b
}

// another is one more platform of the same Pulse.
func (b *bundle) another(t testing.TB, change ...func(*pulse.Config)) *pulse.Platform {
	t.Helper()
	c := pulse.Config{URL: b.url, Key: testKey}
	for _, f := range change {
		f(&c)
	}
	return newPlatform(t, c)
}

func newPlatform(t testing.TB, cfg pulse.Config) *pulse.Platform {
	t.Helper()
	p, err := pulse.New(cfg)
	require.NoError(t, err)
	t.Cleanup(p.Client().CloseIdleConnections)
	return p
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = quiet
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// due is the one occurrence that is due.
func (b *bundle) due(t testing.TB) conversation.Ref {
	t.Helper()
	all := b.assigned(t)
	require.Len(t, all, 1)
	return all[0].Ref
}

func (b *bundle) assigned(t testing.TB) []platforms.Assignment {
	t.Helper()
	all, err := b.platform.Assigned(t.Context(), "", "")
	require.NoError(t, err)
	return all
}

func (b *bundle) claim(t testing.TB, ref conversation.Ref, worker string) platforms.Receipt {
	t.Helper()
	receipt, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: worker})
	require.NoError(t, err)
	return receipt
}

// report is a run that succeeded.
func report(receipt platforms.Receipt) platforms.Report {
	return platforms.Report{Receipt: receipt, Status: conversation.TaskSuccess, Duration: 1500 * time.Millisecond}
}

func (b *bundle) status(t testing.TB, id string) string {
	t.Helper()
	task, ok := b.Task(id)
	require.True(t, ok)
	return task.Status
}

// isKind demands a kind, and that no key is in the text.
func isKind(t testing.TB, want conversation.Kind, err error) *conversation.Error {
	t.Helper()
	var e *conversation.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Kind, "%v", err)
	require.NotContains(t, err.Error(), testKey)
	return e
}

func key(k string) secret.String { return secret.String(k) }

// bytesOf is a result_summary.
func bytesOf(n int) *int { return &n }
