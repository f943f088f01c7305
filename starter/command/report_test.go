package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/report"
	"github.com/parley-run/parley/internal/rig"
)

// A simulation is reported on, compared with itself, and exported, on a real server.
func TestReportAndExport(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 3)
	h.StartWorker(t)
	sim := h.Seeded.SimulationIDs[0]
	h.starter(0, "run", "--simulation", sim, "--wait")
	h.WaitDone(t, rig.Patience)
	rig.Eventually(t, func() bool { // visibility has all
		return strings.Contains(h.starter(0, "list", "--simulation", sim), "3 completed")
	})
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) string {
		text, err := os.ReadFile(at(name))
		require.NoError(t, err)
		return string(text)
	}

	h.starter(0, "report", "--simulation", sim, "-o", at("a.json"), "--output", at("a.html"), "-o", at("a.xml"), "-o", at("a.md"), "--fail-on", "failed>0", "--fail-on", "conversations<3")
	base, err := report.Read(strings.NewReader(read("a.json")))
	require.NoError(t, err)
	s := base.Summary
	require.Equal(t, "over all 3 conversations", s.Coverage.String())
	require.Equal(t, []int{3, 3, 0}, []int{s.Passed, s.Coverage.Timed, s.Failed})
	require.Positive(t, s.Reply.N)
	require.Positive(t, s.Exchange.N)
	require.Equal(t, 3, s.Evaluated, "the simulator has judged them: %s", base.EvaluationNote)
	require.NotEmpty(t, base.Conversations[0].Persona)
	require.NotEmpty(t, base.Conversations[0].Scenario)
	require.Equal(t, 3, strings.Count(read("a.html"), "<details "))
	require.Contains(t, read("a.xml"), `tests="3" failures="0"`)
	require.Contains(t, read("a.md"), "Over all 3 conversations")

	out := h.starter(0, "report", "--simulation", sim, "--baseline", at("a.json"), "--fail-on", "regressions>0", "--fail-on", "missing>0")
	require.Contains(t, out, "No difference")
	h.starter(5, "report", "--simulation", sim, "--fail-on", "conversations>2")
	h.starter(5, "report", "--simulation", "none", "--fail-on", "ended_rate<0.9")
	out = h.starter(0, "report", "--simulation", sim, "--limit", "1", "--no-evaluations", "--failures", "none")
	require.Contains(t, out, "Over 1 of 3 conversations")

	h.starter(0, "export", "--simulation", sim, "--redact", "email,card,phone", "-o", at("a.jsonl"))
	lines := strings.Split(strings.TrimSpace(read("a.jsonl")), "\n")
	require.Len(t, lines, 3)
	var line struct {
		Messages []struct{ Role, Content string }
		Metadata struct{ Outcome string }
	}
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &line))
	require.Equal(t, "user", line.Messages[0].Role)
	require.Equal(t, "ended", line.Metadata.Outcome)
	require.Contains(t, h.starter(0, "export", "--simulation", sim, "--format", "sharegpt", "--limit", "1"), `"from":"human"`)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 5, "no temporary file is left")
}

// An export that ends in the middle leaves no file.
func TestNoHalfFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	path := filepath.Join(t.TempDir(), "x.jsonl")
	h.environ = append(h.environ, "TEMPORAL_ADDRESS=127.0.0.1:1")
	h.starter(1, "export", "-o", path, "--timeout", "1s")
	require.NoFileExists(t, path)
}
