package demo

import (
	"os"
	"slices"
	"strings"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/workflows"
)

// workerConfig builds the environment in which the demo's worker finds the simulator and
// the Temporal server.
func (d *demo) workerConfig() Worker {
	w := Worker{
		Address:   d.stack.Address,
		Namespace: d.stack.Namespace,
		TaskQueue: workflows.DefaultTaskQueue,
		Executor:  d.opts.Executor,
		Log:       d.con,
	}
	foreign := []string{"PARLEY_CONFIG=", "ONERUN_"} // settings of other platforms
	if d.given() {
		// Other workers may use this server. They must not receive the demo's
		// conversations, whose platform is on this machine.
		w.TaskQueue += "-demo-" + strings.ToLower(d.practice.seeded.ProjectID)
	} else {
		foreign = append(foreign, "TEMPORAL_") // settings of another server
	}
	w.Environ = slices.DeleteFunc(slices.Clone(d.opts.Environ), func(variable string) bool {
		return slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
	})
	w.Environ = append(w.Environ,
		"ONERUN_API_BASE_URL="+d.practice.URL,
		"ONERUN_API_KEY="+d.practice.key,
		"ONERUN_PROJECT_ID="+d.practice.seeded.ProjectID,
		"ONERUN_AGENT_ID="+d.practice.seeded.AgentID,
		"TEMPORAL_ADDRESS="+d.stack.Address,
		"TEMPORAL_NAMESPACE="+d.stack.Namespace,
	)
	if !d.given() {
		// The user's profile may hold keys and certificates for another server.
		w.Environ = append(w.Environ, "TEMPORAL_CONFIG_FILE="+os.DevNull)
	}
	return w
}

// Lookup finds a variable of the worker's environment.
func (w Worker) Lookup(name string) (string, bool) { return lookup(w.Environ, name) }

// lookup finds the last variable of a name: the last one counts.
func lookup(environ []string, name string) (string, bool) {
	for _, variable := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// connection describes a connection by an environment.
func connection(environ []string, address, namespace string) connect.Options {
	return connect.Options{
		Lookup:  func(name string) (string, bool) { return lookup(environ, name) },
		Environ: environ, Address: address, Namespace: namespace,
	}
}

// speaker says which executor will answer for the agent, as far as the environment
// shows.
func (d *demo) speaker() string {
	if d.opts.Executor != "auto" {
		return "executor " + d.opts.Executor
	}
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_BASE_URL"} {
		if value, _ := lookup(d.opts.Environ, name); value != "" {
			return name + " is set: a model answers, if it can be reached"
		}
	}
	return "a script answers; with OPENAI_API_KEY set, a model does"
}
