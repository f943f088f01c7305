package assemble

import (
	"fmt"

	"github.com/parley-run/parley/internal/iiiserve"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/iiiengine"
)

// serveEngine serves conversations as functions of an engine.
func serveEngine(s Serving) (Service, error) {
	engine, ok := platforms.As[*iiiengine.Platform](s.Platform)
	if !ok {
		return nil, fmt.Errorf("assemble: platform %q is no engine", s.Name)
	}
	return iiiserve.New(iiiserve.Config{
		Platform: engine, Agents: iiiserve.Agents(s.Config, s.Name),
		Launcher: launch.Launcher{Client: s.Temporal.Client, TaskQueue: s.Config.TaskQueue, ShowPersona: launch.Plain(s.Temporal.Converter)},
		Operator: &operate.Operator{Reader: &records.Reader{
			Client: s.Temporal.Client, Address: s.Temporal.Address, Namespace: s.Temporal.Namespace, TaskQueue: s.Config.TaskQueue,
			Converter: s.Temporal.Converter,
		}},
		Logger: s.Logger,
	})
}
