package assemble

import (
	"errors"
	"fmt"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
)

// AddPlatforms adds types of an embedding program. They come first: the variables of
// their platforms count before those of the built-in ones.
func (b *Backends) AddPlatforms(types []platforms.Type) []error {
	var faults []error
	var added []PlatformType
	for _, t := range types {
		_, taken := b.platform(t.Name)
		faults = append(faults, typeFault(t.Name, t.New != nil, taken))
		added = append(added, PlatformType{Type: t})
	}
	b.Platforms = append(added, b.Platforms...)
	return faults
}

// AddExecutors adds types of an embedding program.
func (b *Backends) AddExecutors(types []executors.Type) []error {
	var faults []error
	for _, t := range types {
		_, taken := b.executor(t.Name)
		faults = append(faults, typeFault(t.Name, t.New != nil, taken || t.Name == chainType))
		b.Executors = append(b.Executors, ExecutorType{Name: t.Name, New: func(e config.Executor, _ Process) (Executor, error) {
			made, err := t.New(executorSettings{e})
			return Executor{Executor: made, About: executors.About{Backend: t.Name}}, err
		}})
	}
	return faults
}

// typeFault is what is wrong with a type, to be read after the name of the list it is in.
func typeFault(name string, complete, taken bool) error {
	switch {
	case name == "":
		return errors.New("has a type without a name: set Name")
	case !complete:
		return fmt.Errorf("has the type %q without a constructor: set New", name)
	case taken:
		return fmt.Errorf("has the type %q, which there is already: choose another name", name)
	}
	return nil
}

// executorSettings are those of an executor, as its type reads them.
type executorSettings struct{ of config.Executor }

func (s executorSettings) Name() string          { return s.of.Name }
func (s executorSettings) Decode(into any) error { return s.of.Settings.Decode(into, s.of.Type) }
