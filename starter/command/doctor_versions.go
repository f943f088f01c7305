package command

import (
	"context"
	"fmt"
	"strings"

	sdkworkflow "go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/versions"
)

// examineWorkers lists the workers that take tasks from the task queue, and checks
// whether the version that gets new conversations has any.
func examineWorkers(ctx context.Context, o *operate.Operator) []finding {
	state, err := o.Versions(ctx)
	if err != nil {
		return []finding{wrong("workers", err)}
	}
	return append([]finding{workersFinding(state)}, versionFindings(state)...)
}

func workersFinding(state versions.State) finding {
	f := finding{Check: "workers", State: checkFine}
	if live := state.Workers(); len(live) > 0 {
		f.Detail = fmt.Sprintf("%s on task queue %q", strings.Join(live, ", "), state.TaskQueue)
		return f
	}
	f.State = checkWrong
	f.Detail = fmt.Sprintf("no worker polls task queue %q", state.TaskQueue)
	if gone := goneWorkers(state); len(gone) > 0 {
		f.Detail += "; gone: " + strings.Join(gone, ", ")
	}
	f.Remedy = "start one (go run ./worker), with the same address, namespace and task queue"
	if state.Current != (versions.Version{}) {
		f.Remedy = state.Remedy(versions.Version{}, sdkworkflow.VersioningBehaviorAutoUpgrade)
	}
	return f
}

// goneWorkers are those that Temporal remembers.
func goneWorkers(state versions.State) []string {
	var gone []string
	for _, v := range state.Versions {
		for _, w := range v.Workers {
			if !w.Live {
				gone = append(gone, w.Identity)
			}
		}
	}
	return gone
}

// maxVersionLines bounds the versions without workers that doctor lists.
const maxVersionLines = 10

// versionFindings are the versions of the deployment. Without versioning there is nothing
// to say.
func versionFindings(state versions.State) []finding {
	if state.Deployment == "" && state.Current == (versions.Version{}) {
		return nil
	}
	var found []finding
	quiet := 0
	for _, v := range state.Versions {
		if !v.Live() && v.Role != versions.Current && v.Role != versions.Ramping && v.Role != versions.Draining {
			if quiet++; quiet > maxVersionLines || len(v.Workers) == 0 {
				continue
			}
		}
		found = append(found, versionFinding(state, v))
	}
	if state.Current == (versions.Version{}) && !state.Live(versions.Version{}) {
		found = append(found, noCurrentFinding(state))
	}
	return found
}

func versionFinding(state versions.State, v versions.VersionState) finding {
	f := finding{Check: "version " + versions.Name(v.Version), State: checkFine}
	role := string(v.Role)
	if v.Role == versions.Ramping {
		role = fmt.Sprintf("ramping, %g %%", state.RampPercent)
	}
	n := 0
	for _, w := range v.Workers {
		if w.Live {
			n++
		}
	}
	f.Detail = role + ", " + count(n, "worker")
	switch {
	case v.Version == (versions.Version{}) && state.Current != (versions.Version{}) && v.Live():
		f.State = checkSkipped
		f.Detail = fmt.Sprintf("%s without versioning, which get no new conversations while version %s is current", count(n, "worker"), versions.Name(state.Current))
	case (v.Role == versions.Current || v.Role == versions.Ramping) && n == 0 && v.Version != (versions.Version{}):
		f.State = checkWrong
		f.Detail = role + ", but it has no workers: conversations that it gets are stranded"
		f.Remedy = state.Remedy(v.Version, sdkworkflow.VersioningBehaviorAutoUpgrade)
		if v.Role == versions.Ramping {
			f.Remedy = fmt.Sprintf("start a worker with --deployment-name %s --build-id %s, or end the ramp: "+
				"temporal worker deployment set-ramping-version --deployment-name %[1]s --build-id %[2]s --percentage 0", v.Version.DeploymentName, v.Version.BuildID)
		}
	case v.Role == versions.Inactive && n > 0 && v.Version != (versions.Version{}):
		f.State = checkSkipped
		f.Detail = count(n, "worker") + ", but it is not current: it gets no conversations"
		f.Remedy = "to make it current: " + versions.SetCurrent(v.Version)
	case v.Role == versions.Draining && n == 0:
		f.State = checkSkipped
		f.Detail = "draining, without workers: conversations pinned to it are stranded"
	}
	return f
}

// noCurrentFinding says that workers run, but none of them gets a new conversation.
func noCurrentFinding(state versions.State) finding {
	reason, _ := state.CanRun(versions.Version{}, sdkworkflow.VersioningBehaviorAutoUpgrade)
	return finding{
		Check: "versions", State: checkWrong, Detail: reason,
		Remedy: state.Remedy(versions.Version{}, sdkworkflow.VersioningBehaviorAutoUpgrade),
	}
}

// strandedFinding counts the conversations that no worker can run.
func strandedFinding(p records.Page) finding {
	f := finding{Check: "stranded", State: checkFine, Detail: "a worker can run every open conversation"}
	if p.Counts.Stranded == 0 {
		return f
	}
	f.State = checkWrong
	f.Detail = plural(p.Counts.Stranded, "conversation is", "conversations are") + " stranded: no worker can run " + map[bool]string{true: "it", false: "them"}[p.Counts.Stranded == 1]
	for _, c := range p.Conversations {
		if c.Stranded != nil {
			f.Detail += "; the newest: " + c.Stranded.Reason
			f.Remedy = c.Stranded.Remedy + "; "
			break
		}
	}
	f.Remedy += "starter list --status stranded shows them"
	return f
}
