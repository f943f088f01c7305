package versions_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/versions"
)

func TestCanRun(t *testing.T) {
	t.Parallel()
	var (
		none versions.Version
		a    = versions.Version{DeploymentName: "d", BuildID: "a"}
		b    = versions.Version{DeploymentName: "d", BuildID: "b"}
	)
	const (
		pinned = workflow.VersioningBehaviorPinned
		auto   = workflow.VersioningBehaviorAutoUpgrade
		first  = workflow.VersioningBehaviorUnspecified
	)
	for _, tc := range []struct {
		name     string
		live     []versions.Version
		current  versions.Version
		ramping  versions.Version
		percent  float32
		version  versions.Version
		behavior workflow.VersioningBehavior
		reason   string // empty: it can run
		remedy   string
	}{
		{name: "NoWorker", reason: `no worker runs on task queue "q"`, remedy: "start a worker with the same address, namespace and task queue"},
		{name: "Unversioned", live: []versions.Version{none}},
		{name: "New", live: []versions.Version{a}, current: a, behavior: first},
		{
			name: "NothingCurrent", live: []versions.Version{a}, behavior: first,
			reason: `no version is current on task queue "q"; workers: d:a`,
			remedy: "make a version with workers current: temporal worker deployment set-current-version --deployment-name d --build-id a; " +
				"or start a worker with the same address, namespace and task queue",
		},
		{name: "UnversionedMovesUp", live: []versions.Version{a}, current: a, version: none},
		{
			name: "UnversionedWorkersGetNothing", live: []versions.Version{none}, current: a,
			reason: `the current version d:a has no workers on task queue "q"; workers: unversioned`,
			remedy: "workers without versioning get no work while a version is current: start a worker with --deployment-name d --build-id a",
		},
		{name: "Upgraded", live: []versions.Version{b}, current: b, version: a, behavior: auto},
		{
			name: "CurrentIsGone", live: []versions.Version{a}, current: b, version: a, behavior: auto,
			reason: `the current version d:b has no workers on task queue "q"; workers: d:a`,
			remedy: "make a version with workers current: temporal worker deployment set-current-version --deployment-name d --build-id a; " +
				"or start a worker with --deployment-name d --build-id b",
		},
		{
			name: "AllAreGone", current: b, version: a, behavior: auto,
			reason: `no worker runs on task queue "q"; the current version is d:b`, remedy: "start a worker with --deployment-name d --build-id b",
		},
		{name: "PinnedAndNotCurrent", live: []versions.Version{a, b}, current: b, version: a, behavior: pinned},
		{
			name: "PinnedToNoWorkers", live: []versions.Version{b}, current: b, version: a, behavior: pinned,
			reason: `it is pinned to version d:a, which has no workers on task queue "q"`, remedy: "move it to the current version with starter move, or start a worker with --deployment-name d --build-id a",
		},
		{name: "RampHasWorkers", live: []versions.Version{b}, current: a, ramping: b, percent: 10, version: a, behavior: auto},
		{
			name: "RampIsNoUseWhilePinned", live: []versions.Version{b}, current: a, ramping: b, percent: 10, version: a, behavior: pinned,
			reason: `it is pinned to version d:a, which has no workers on task queue "q"`, remedy: "start a worker with --deployment-name d --build-id a",
		},
		{
			name: "RampOfNothing", live: []versions.Version{b}, current: a, ramping: b, version: a, behavior: auto,
			reason: `the current version d:a has no workers on task queue "q"; workers: d:b`,
			remedy: "make a version with workers current: temporal worker deployment set-current-version --deployment-name d --build-id b; " +
				"or start a worker with --deployment-name d --build-id a",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			state := versions.State{TaskQueue: "q", Current: tc.current, Ramping: tc.ramping, RampPercent: tc.percent}
			for _, v := range tc.live {
				state.Versions = append(state.Versions, versions.VersionState{Version: v, Workers: []versions.Worker{{Identity: "w", Live: true}}})
			}
			reason, ok := state.CanRun(tc.version, tc.behavior)
			require.Equal(t, tc.reason, reason)
			require.Equal(t, tc.reason == "", ok)
			if !ok {
				require.Equal(t, tc.remedy, state.Remedy(tc.version, tc.behavior))
			}
		})
	}
}
