package onerun

import (
	"cmp"
	"errors"

	"github.com/parley-run/parley/platforms"
)

// Type describes the platform to a registry.
func Type() platforms.Type {
	return platforms.Type{
		Name: "onerun", Title: "OneRun", New: fromSettings, Sample: sample, NeedsProject: true, NeedsAgent: true,
		Environment: []platforms.Variable{
			{Name: "ONERUN_API_BASE_URL", Setting: "base_url", Required: true, Example: "http://localhost:3001",
				Text: "the address of OneRun's API, such as http://localhost:3001"},
			{Name: "ONERUN_API_KEY", Setting: "api_key", Required: true, Text: "the key that OneRun has as AUTH_API_KEY"},
			{Name: "ONERUN_PROJECT_ID", Setting: "project", Agent: true, Required: true, Text: "the id of the project in OneRun"},
			{Name: "ONERUN_AGENT_ID", Setting: "agent", Agent: true, Required: true, Text: "the id of the agent in OneRun that this worker speaks for"},
		},
	}
}

func fromSettings(s platforms.Settings) (platforms.Instance, error) {
	cfg := Config{Name: s.Name()}
	decodeErr := s.Decode(&cfg)
	platform, err := New(cfg)
	if err := errors.Join(decodeErr, err); err != nil {
		return platforms.Instance{}, err
	}
	return platforms.Instance{
		Platform: platform, Settle: DefaultSettle, MaxOpen: DefaultMaxOpen,
		SendTimeout: cmp.Or(cfg.ResponseTimeout, DefaultResponseTimeout),
	}, nil
}
