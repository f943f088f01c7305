package iiiserve

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/printable"
)

const (
	// maxCaller is what the workflows take as an operator's name.
	maxCaller = 200
	// callerTimeout bounds the question for a worker's name: a call must not fail by it.
	callerTimeout = 2 * time.Second
)

// caller is who calls, for the record: the name of the calling worker, or its id where the
// engine does not say the name. A trigger is no worker.
func (s *Server) caller(ctx context.Context, call iii.Invocation) string {
	id := call.CallerWorkerID()
	if id == "" {
		return "iii trigger"
	}
	name := id
	if w, err := s.platform.Worker(); err == nil {
		answer, err := w.Invoke(ctx, "engine::workers::list", map[string]any{}, iii.Timeout(callerTimeout))
		var list struct {
			Workers []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"workers"`
		}
		if err == nil && json.Unmarshal(answer, &list) == nil {
			for _, one := range list.Workers {
				if one.ID == id && one.Name != "" {
					name = one.Name
				}
			}
		}
	}
	return printable.Name("iii worker "+name, maxCaller)
}
