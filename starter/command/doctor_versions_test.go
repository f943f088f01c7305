package command

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/versions"
)

func TestVersionFindings(t *testing.T) {
	t.Parallel()
	var (
		none versions.Version
		a    = versions.Version{DeploymentName: "d", BuildID: "a"}
		b    = versions.Version{DeploymentName: "d", BuildID: "b"}
	)
	one := func(v versions.Version, role versions.Role, live bool) versions.VersionState {
		return versions.VersionState{Version: v, Role: role, Workers: []versions.Worker{{Identity: "w" + v.BuildID, Live: live, Stopped: !live}}}
	}
	for name, tt := range map[string]struct {
		state versions.State
		want  []string
	}{
		"NoWorkers": {versions.State{TaskQueue: "q"}, []string{
			`✗ workers: no worker polls task queue "q"`, "    → start one (go run ./worker), with the same address, namespace and task queue",
		}},
		"Unversioned": {versions.State{TaskQueue: "q", Versions: []versions.VersionState{one(none, versions.Current, true)}},
			[]string{`✓ workers: w on task queue "q"`}},
		"Rolled": {versions.State{TaskQueue: "q", Deployment: "d", Current: b, Versions: []versions.VersionState{one(a, versions.Drained, false), one(b, versions.Current, true)}},
			[]string{`✓ workers: wb on task queue "q"`, "✓ version d:a: drained, 0 workers", "✓ version d:b: current, 1 worker"}},
		"BeforeSetCurrent": {versions.State{TaskQueue: "q", Deployment: "d", Versions: []versions.VersionState{one(a, versions.Inactive, true)}}, []string{
			`✓ workers: wa on task queue "q"`, "– version d:a: 1 worker, but it is not current: it gets no conversations",
			"    → to make it current: temporal worker deployment set-current-version --deployment-name d --build-id a",
			`✗ versions: no version is current on task queue "q"; workers: d:a`,
			"    → make a version with workers current: temporal worker deployment set-current-version --deployment-name d --build-id a; " +
				"or start a worker with the same address, namespace and task queue",
		}},
		"CurrentIsGone": {versions.State{TaskQueue: "q", Deployment: "d", Current: a, Versions: []versions.VersionState{one(a, versions.Current, false)}}, []string{
			`✗ workers: no worker polls task queue "q"; gone: wa`, "    → start a worker with --deployment-name d --build-id a",
			"✗ version d:a: current, but it has no workers: conversations that it gets are stranded", "    → start a worker with --deployment-name d --build-id a",
		}},
		"UnversionedWorkersWait": {versions.State{TaskQueue: "q", Deployment: "d", Current: a, Versions: []versions.VersionState{one(none, versions.Inactive, true), one(a, versions.Current, true)}}, []string{
			`✓ workers: w, wa on task queue "q"`,
			"– version unversioned: 1 worker without versioning, which get no new conversations while version d:a is current",
			"✓ version d:a: current, 1 worker",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			for _, f := range append([]finding{workersFinding(tt.state)}, versionFindings(tt.state)...) {
				text.WriteString(findingText(f))
			}
			require.Equal(t, strings.Join(tt.want, "\n")+"\n", text.String())
		})
	}
}

func TestStrandedFinding(t *testing.T) {
	t.Parallel()
	require.Equal(t, "✓ stranded: a worker can run every open conversation\n", findingText(strandedFinding(records.Page{})))
	page := records.Page{Counts: records.Counts{Open: 3, Stranded: 2}, Conversations: []records.Conversation{
		{ID: "main/p/1", Open: true, Status: "talking"},
		{ID: "main/p/2", Open: true, Status: records.StatusStranded, Stranded: &records.Stranded{Version: "d:a", Reason: "it is pinned", Remedy: "start a worker"}},
	}}
	require.Equal(t, "✗ stranded: 2 conversations are stranded: no worker can run them; the newest: it is pinned\n"+
		"    → start a worker; starter list --status stranded shows them\n", findingText(strandedFinding(page)))
	listed := listing(page, noon)
	require.Contains(t, listed, "stranded (d:a)")
	require.Contains(t, listed, "stranded: it is pinned\n    → start a worker\n")
	require.Contains(t, listed, "3 open (2 stranded)")
}
