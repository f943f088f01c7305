package pulse

import (
	"errors"

	"github.com/parley-run/parley/platforms"
)

// Type describes the platform to a registry. Its tasks name RunAgent's agents.
func Type() platforms.Type {
	return platforms.Type{
		Name: "pulse", Title: "RunAgent Pulse", New: fromSettings, Sample: sample, Executors: []string{"runagent"},
		Environment: []platforms.Variable{
			{Name: "PULSE_SERVER_URL", Setting: "url", Required: true, Example: "http://localhost:8000",
				Text: "the address of RunAgent Pulse, such as http://localhost:8000"},
			{Name: "PULSE_API_KEY", Setting: "api_key", Text: "if it checks a key"},
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
	return platforms.Instance{Platform: platform}, nil
}
