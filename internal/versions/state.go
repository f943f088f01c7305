package versions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// A Version is one build of a deployment. The zero Version stands for all workers
// without versioning.
type Version = worker.WorkerDeploymentVersion

// A State is what Temporal knew about a task queue and its versions when it was read.
type State struct {
	TaskQueue string
	// Deployment is the one that was asked for, or else the one that the task queue routes
	// to. Empty: the task queue has no versions.
	Deployment string
	// Current is the version that gets all tasks of workflows that are not pinned. Zero:
	// workers without versioning get them.
	Current Version
	// Ramping gets RampPercent of them instead. Zero with a RampPercent above zero: workers
	// without versioning do.
	Ramping     Version
	RampPercent float32
	// Versions are those with workers, the current and the ramping one, and those that the
	// deployment remembers. They are sorted.
	Versions []VersionState
	// Read is when the state was read, by the clock of this machine.
	Read time.Time
}

// A VersionState is one version and its workers.
type VersionState struct {
	Version Version
	// Role is what Temporal uses the version for.
	Role Role
	// Workers have polled the task queue for this version within the last minutes.
	Workers []Worker
}

// A Role is what Temporal uses a version for. Workers without versioning are current
// where no version is.
type Role string

// The roles.
const (
	Current  Role = "current"
	Ramping  Role = "ramping"
	Draining Role = "draining" // open workflows are pinned to it
	Drained  Role = "drained"  // none is any more
	Inactive Role = "inactive" // it has never been current or ramping
)

// A Worker is a process that polls the task queue, or has done so.
type Worker struct {
	Identity string
	// Live reports that the worker takes tasks.
	Live bool
	// Stopped reports that the worker itself has announced its end. Otherwise one that is
	// not live was killed, is frozen, or cannot reach Temporal.
	Stopped bool
	// Seen is the newest sign of life.
	Seen time.Time
}

// Live reports whether a worker of the version takes tasks.
func (v VersionState) Live() bool {
	return slices.ContainsFunc(v.Workers, func(w Worker) bool { return w.Live })
}

// Of is the state of one version. One that is unknown has no workers.
func (s State) Of(v Version) VersionState {
	for _, known := range s.Versions {
		if known.Version == v {
			return known
		}
	}
	return VersionState{Version: v, Role: Inactive}
}

// Live reports whether a worker of the version takes tasks.
func (s State) Live(v Version) bool { return s.Of(v).Live() }

// Workers are the workers that take tasks, of all versions.
func (s State) Workers() []string {
	var names []string
	for _, v := range s.Versions {
		for _, w := range v.Workers {
			if w.Live && !slices.Contains(names, w.Identity) {
				names = append(names, w.Identity)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Target is the version whose workers get the next task of a workflow: its own if it is
// pinned. It ignores the ramp.
func (s State) Target(v Version, behavior workflow.VersioningBehavior) Version {
	if behavior == workflow.VersioningBehaviorPinned {
		return v
	}
	return s.Current
}

// CanRun reports whether a worker takes the tasks of a workflow that has run on a version
// with a behavior. The zero Version is that of a workflow that has run on no versioned
// worker. If no worker takes them, reason says what is missing; [State.Remedy] says what
// to do about it.
//
// While a version ramps, Temporal decides by workflow id which of two versions gets a
// workflow that is not pinned. CanRun is then true if either has workers.
func (s State) CanRun(v Version, behavior workflow.VersioningBehavior) (reason string, ok bool) {
	target := s.Target(v, behavior)
	if s.Live(target) {
		return "", true
	}
	pinned := behavior == workflow.VersioningBehaviorPinned
	if !pinned && s.RampPercent > 0 && s.Live(s.Ramping) {
		return "", true
	}
	on := fmt.Sprintf("on task queue %q", s.TaskQueue)
	live := s.live()
	switch {
	case len(live) == 0 && target == (Version{}):
		return "no worker runs " + on, false
	case pinned:
		return fmt.Sprintf("it is pinned to version %s, which has no workers %s", Name(v), on), false
	case target == (Version{}):
		return fmt.Sprintf("no version is current %s; workers: %s", on, names(live)), false
	case len(live) == 0:
		return fmt.Sprintf("no worker runs %s; the current version is %s", on, Name(target)), false
	}
	return fmt.Sprintf("the current version %s has no workers %s; workers: %s", Name(target), on, names(live)), false
}

// live are the versions with workers.
func (s State) live() []Version {
	var live []Version
	for _, v := range s.Versions {
		if v.Live() {
			live = append(live, v.Version)
		}
	}
	return live
}

// Remedy says in one line, with commands, how a worker comes to take the tasks of a
// workflow for which CanRun is false.
func (s State) Remedy(v Version, behavior workflow.VersioningBehavior) string {
	target := s.Target(v, behavior)
	start := "start a worker with the same address, namespace and task queue"
	if target != (Version{}) {
		start = fmt.Sprintf("start a worker with --deployment-name %s --build-id %s", target.DeploymentName, target.BuildID)
	}
	if behavior == workflow.VersioningBehaviorPinned {
		if s.Live(s.Current) {
			return "move it to the current version with starter move, or " + start
		}
		return start
	}
	for _, other := range s.live() {
		if other != target && other != (Version{}) {
			return "make a version with workers current: " + SetCurrent(other) + "; or " + start
		}
	}
	if target != (Version{}) && s.Live(Version{}) {
		return "workers without versioning get no work while a version is current: " + start
	}
	return start
}

// SetCurrent is the command that makes a version the current one.
func SetCurrent(v Version) string {
	return fmt.Sprintf("temporal worker deployment set-current-version --deployment-name %s --build-id %s", v.DeploymentName, v.BuildID)
}

// Name is a version as operators read it: deployment and build.
func Name(v Version) string {
	if v == (Version{}) {
		return "unversioned"
	}
	return v.DeploymentName + ":" + v.BuildID
}

func names(versions []Version) string {
	var all []string
	for _, v := range versions {
		all = append(all, Name(v))
	}
	return strings.Join(all, ", ")
}

func compare(a, b VersionState) int {
	return cmp.Or(cmp.Compare(a.Version.DeploymentName, b.Version.DeploymentName), cmp.Compare(a.Version.BuildID, b.Version.BuildID))
}
