package runagent

import "github.com/parley-run/parley/executors"

// Defaults are the executors that there are where none are configured, in the order in
// which RunAgent Pulse chooses.
func Defaults() []executors.Default {
	return []executors.Default{
		{Name: "serverless", Type: "runagent", If: "RUNAGENT_API_KEY", Environment: []executors.Variable{
			{Name: "RUNAGENT_API_KEY", Setting: "api_key"}, {Name: "RUNAGENT_BASE_URL", Setting: "url"},
		}},
		{Name: "local", Type: "runagent", Settings: map[string]string{"mode": string(ModeLocal)}},
	}
}
