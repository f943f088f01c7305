package a2a

import "github.com/parley-run/parley/executors/internal/modelcall"

// cleaner returns a function that prepares the agent's text for an error.
func cleaner(cfg Config) func(string) string {
	return modelcall.NewCleaner(cfg.BearerToken, modelcall.Secrets(cfg.Headers, cfg.URL, cfg.Endpoint))
}
