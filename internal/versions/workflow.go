package versions

import (
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/workflow"
)

// Search attributes that Temporal itself keeps.
const (
	keyBehavior = "TemporalWorkflowVersioningBehavior"
	keyVersion  = "TemporalWorkerDeploymentVersion"
	valuePinned = "Pinned"
)

// Of is the version and the behavior that route the tasks of a workflow: those that an
// operator has set for it, if there are any.
func Of(info *workflowpb.WorkflowExecutionInfo) (Version, workflow.VersioningBehavior) {
	v := info.GetVersioningInfo()
	own := version(v.GetDeploymentVersion())
	switch set := v.GetVersioningOverride().GetOverride().(type) {
	case *workflowpb.VersioningOverride_Pinned:
		if to := set.Pinned.GetVersion(); to != nil {
			own = version(to)
		}
		return own, workflow.VersioningBehaviorPinned
	case *workflowpb.VersioningOverride_OneTime:
		return version(set.OneTime.GetTargetDeploymentVersion()), workflow.VersioningBehaviorPinned
	case *workflowpb.VersioningOverride_AutoUpgrade:
		return own, workflow.VersioningBehaviorAutoUpgrade
	}
	switch v.GetBehavior() {
	case enums.VERSIONING_BEHAVIOR_PINNED:
		return own, workflow.VersioningBehaviorPinned
	case enums.VERSIONING_BEHAVIOR_AUTO_UPGRADE:
		return own, workflow.VersioningBehaviorAutoUpgrade
	}
	return own, workflow.VersioningBehaviorUnspecified
}

// PinnedTo is the version that a workflow stays on, by its code or by an operator's
// override.
func PinnedTo(info *workflowpb.WorkflowExecutionInfo) (at Version, pinned bool) {
	v, behavior := Of(info)
	return v, behavior == workflow.VersioningBehaviorPinned
}

// StrandedQuery is a condition of a visibility query: the running workflows of the task
// queue that no worker can run. It needs nothing else to be right, and can be joined to
// others by "AND" and "OR".
func (s State) StrandedQuery() string {
	pinned := fmt.Sprintf("%s = '%s'", keyBehavior, valuePinned)
	var live []string
	for _, v := range s.live() {
		if v != (Version{}) {
			live = append(live, quote(Name(v)))
		}
	}
	stranded := pinned
	if len(live) > 0 {
		stranded = fmt.Sprintf("(%s AND %s NOT IN (%s))", pinned, keyVersion, strings.Join(live, ", "))
	}
	if _, ok := s.CanRun(Version{}, workflow.VersioningBehaviorAutoUpgrade); !ok {
		stranded += fmt.Sprintf(" OR %s IS NULL OR %s != '%s'", keyBehavior, keyBehavior, valuePinned)
	}
	return fmt.Sprintf("(ExecutionStatus = 'Running' AND TaskQueue = %s AND (%s))", quote(s.TaskQueue), stranded)
}

// quote makes a value safe in a visibility query.
func quote(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", `\'`) + "'"
}
