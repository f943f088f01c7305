package assemble

import (
	"io"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/tools"
)

// addTools makes the sets of tools. The registry closes them with itself.
func addTools(registry *tools.Registry, cfg *config.Config, backends Backends, process Process) []error {
	var faults []error
	for _, t := range cfg.Tools {
		set, rules := backends.Given.Tools[t.Name].Set, backends.Given.Tools[t.Name].Rules
		if !t.Given {
			kind, ok := backends.tools(t.Type)
			if !ok {
				faults = append(faults, unknownType(t.Settings, t.Type, names(backends.Tools, func(t ToolsType) string { return t.Name })))
				continue
			}
			made, err := kind.New(t, process)
			if err != nil {
				faults = append(faults, t.Settings.Place(err))
				continue
			}
			set, rules = made, t.Rules
			r := rotate("tools "+t.Name, process.Logger, t.Settings, made, func(s config.Settings) (tools.Set, error) {
				renewed := t
				renewed.Settings = s
				return kind.New(renewed, process)
			})
			if r != nil {
				set = rotatingSet{r}
			}
			if rules.Validate() != nil {
				rules = tools.Rules{} // Load has reported them
			}
		}
		if err := registry.Add(t.Name, set, rules); err != nil {
			faults = append(faults, t.Settings.Place(err))
			if c, ok := set.(io.Closer); ok && !t.Given {
				faults = append(faults, c.Close())
			}
		}
	}
	return faults
}
