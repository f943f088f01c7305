package a2a

import (
	"maps"
	"net/http"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// signer returns a function that puts on a request whatever proves who sent it.
// A function, so that no secret is in a field that fmt would print.
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

// cleaner returns a function that makes the agent's words fit for an error.
func cleaner(cfg Config) func(string) string {
	return modelcall.NewCleaner(cfg.BearerToken, modelcall.Secrets(cfg.Headers, cfg.URL, cfg.Endpoint))
}
