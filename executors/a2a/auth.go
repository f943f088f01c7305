package a2a

import (
	"maps"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// signer returns a function that adds credentials to a request. No field holds the
// secrets, because fmt would print it.
func signer(cfg Config) func(*http.Request) {
	headers, token := maps.Clone(cfg.Headers), cfg.BearerToken
	return func(req *http.Request) {
		for name, value := range headers {
			req.Header.Set(name, value.Reveal())
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token.Reveal())
		}
	}
}

// cleaner returns a function that prepares the agent's text for an error.
func cleaner(cfg Config) func(string) string {
	return modelcall.NewCleaner(cfg.BearerToken, modelcall.Secrets(cfg.Headers, cfg.URL, cfg.Endpoint))
}
