package command

import (
	"fmt"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/secret"
)

// modelPlayer lets a model play the personas.
func modelPlayer(f flags) (sim.Player, error) {
	executor, err := openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: f.personaModel, APIKey: secret.String(f.personaKey), BaseURL: f.personaURL}})
	if err != nil {
		return nil, fmt.Errorf("--persona-model %s: %w", f.personaModel, err)
	}
	return sim.ExecutorPlayer{Executor: executor}, nil
}
