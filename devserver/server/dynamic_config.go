package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// DynamicConfig maps settings of the Temporal server to values.
type DynamicConfig = dynamicconfig.StaticClient

// unlimited is a rate that no single machine reaches.
const unlimited = 100_000

// speed holds what keeps Temporal's defaults, meant for clusters of many
// shards, from making one shard wait.
var speed = DynamicConfig{
	// Each queue of a shard is read 20 times a second at most, and every step of a
	// workflow is a read of the transfer queue: about 50 ms a step, two steps an
	// activity. By far the most expensive default.
	dynamicconfig.TransferProcessorMaxPollRPS.Key(): unlimited,
	// The same for timers. Not for the visibility queue: that lists are 50 ms
	// behind matters less than its writes between those of the workflows.
	dynamicconfig.TimerProcessorMaxPollRPS.Key(): unlimited,
	// A timer fires up to this much late. The default, a second, allows for
	// clocks that differ between hosts.
	dynamicconfig.TimerProcessorMaxTimeShift.Key(): 10 * time.Millisecond,
	// A worker may take an activity along with the answer that scheduled it,
	// without a queue in between. Clients turn it off where a rate must be kept.
	dynamicconfig.EnableActivityEagerExecution.Key(): true,
	// With four partitions, tasks and polls meet by forwarding, and one activity
	// in 50 to 100 waits two seconds for it.
	dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
	dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
	// A client that waits for a workflow's end is notified by a channel that drops fast
	// events: once in a thousand quick workflows the end itself. It then learns of the
	// end when its long poll expires, after 20 seconds by default.
	dynamicconfig.HistoryLongPollExpirationInterval.Key(): 2 * time.Second,
	// The delay until a new namespace or search attribute is known.
	dynamicconfig.NamespaceCacheRefreshInterval.Key():           250 * time.Millisecond,
	dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
}

// limits lifts the rates that protect a shared cluster from one of its users.
var limits = DynamicConfig{
	dynamicconfig.FrontendRPS.Key():                                                        unlimited,
	dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key():                                 unlimited,
	dynamicconfig.FrontendMaxConcurrentLongRunningRequestsPerInstance.Key():                unlimited,
	dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key():                       unlimited, // 10 a second: one busy page of the UI
	dynamicconfig.FrontendPersistenceMaxQPS.Key():                                          unlimited,
	dynamicconfig.MatchingRPS.Key():                                                        unlimited,
	dynamicconfig.MatchingPersistenceMaxQPS.Key():                                          unlimited,
	dynamicconfig.HistoryRPS.Key():                                                         unlimited,
	dynamicconfig.HistoryPersistenceMaxQPS.Key():                                           unlimited,
	dynamicconfig.FrontendMaxNamespaceNamespaceReplicationInducingAPIsRPSPerInstance.Key(): unlimited, // 1 a second: tests that register namespaces
}

// features enables what clients of a current SDK may use and this release of the server
// supports, but disables by default.
var features = DynamicConfig{
	dynamicconfig.EnableDeploymentVersions.Key():                   true,
	dynamicconfig.FrontendEnableWorkerVersioningWorkflowAPIs.Key(): true,
	dynamicconfig.FrontendEnableWorkerVersioningDataAPIs.Key():     true,
	// Priority and fairness keys mean nothing to the matcher of old.
	dynamicconfig.MatchingEnableFairness.Key(): true,
}

// quiet disables what a server on one machine does not need.
var quiet = DynamicConfig{
	// Nexus needs an HTTP port of its own, and warns when it has none.
	dynamicconfig.EnableNexus.Key(): false,
	// Sends this version to temporal.io, and asks for newer ones.
	dynamicconfig.EnableServerVersionCheck.Key(): false,
	// Housekeeping for clusters that run for months.
	dynamicconfig.HistoryScannerEnabled.Key():   false,
	dynamicconfig.TaskQueueScannerEnabled.Key(): false,
	// A laptop that wakes from sleep looks like a deadlock.
	dynamicconfig.DeadlockDumpGoroutines.Key(): false,
}

// tuned is this package's settings, overridden by the caller's.
func tuned(overrides DynamicConfig) DynamicConfig {
	settings := DynamicConfig{}
	for _, group := range []DynamicConfig{speed, limits, features, quiet, overrides} {
		maps.Copy(settings, group)
	}
	return settings
}

// SetDynamicConfig adds one setting written as text, a JSON value or else a plain
// string. It refuses names and values that the Temporal server does not know, which the
// server would ignore silently.
func SetDynamicConfig(settings DynamicConfig, name, text string) error {
	value := []byte(text)
	if !json.Valid(value) {
		value, _ = json.Marshal(text) // a string always can be
	}
	key := dynamicconfig.MakeKey(name)
	var loader dynamicconfig.YamlLoader // JSON is YAML, and whole numbers stay whole
	loader.LoadValue(key, fmt.Appendf(nil, `[{"value": %s}]`, value))
	if err := errors.Join(append(loader.Errors, loader.Warnings...)...); err != nil {
		return err
	}
	settings[key] = loader.Map[key]
	return nil
}
