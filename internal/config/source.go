package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// A Source says where the configuration comes from.
type Source struct {
	// Path is the file. Empty: what PARLEY_CONFIG names, else parley.yaml in Dir
	// if there is one, else the environment.
	Path string
	// NoFile reads no file, whatever there is: only the environment.
	NoFile bool
	// Dir is the working directory. Empty: the process's own.
	Dir string
	// Lookup finds environment variables. Nil: there are none.
	Lookup func(name string) (string, bool)
	// ReadFile reads files. Nil: [os.ReadFile], of up to 1 MiB.
	ReadFile func(path string) ([]byte, error)
	// Executor is who speaks for the agent that the environment describes. Empty:
	// "auto". With a file it is a fault: the file says so for each agent.
	Executor string
	// TaskQueue overrides the file's.
	TaskQueue string
	// Types are what the backends say about themselves. Empty: the environment describes
	// nothing, and there are no executors but those of the file.
	Types Types
	// Given are the names of what a program that embeds Parley brings along.
	Given Given
}

// Given names what is not configured, because a program has made it itself.
// Agents may name it all the same. Executors come before the others for "auto".
type Given struct {
	Platforms, Executors, Tools []string
}

// add puts what is given in front of what is configured.
func (g Given) add(c *Config) {
	var platforms []Platform
	for _, name := range g.Platforms {
		platforms = append(platforms, Platform{Name: name, Given: true, PollInterval: DefaultPollInterval, Settings: givenSettings("platforms", name)})
	}
	var executors []Executor
	for _, name := range g.Executors {
		executors = append(executors, Executor{Name: name, Given: true, Settings: givenSettings("executors", name)})
	}
	var tools []Tools
	for _, name := range g.Tools {
		tools = append(tools, Tools{Name: name, Given: true, Settings: givenSettings("tools", name)})
	}
	c.Platforms = append(platforms, c.Platforms...)
	c.Executors = append(executors, c.Executors...)
	c.Tools = append(tools, c.Tools...)
}

func givenSettings(section, name string) Settings {
	return Settings{where: place{at: join(section, name)}}
}

// file finds and reads the file. No name: there is none, and none was asked for.
func (src Source) file() (shown, path string, data []byte, err error) {
	if src.NoFile {
		return "", "", nil, nil
	}
	shown, how := src.Path, "--config"
	if shown == "" {
		shown, _ = src.Lookup("PARLEY_CONFIG")
		how = "PARLEY_CONFIG"
	}
	if shown == "" {
		shown, how = DefaultFile, ""
	}
	path = shown
	if !filepath.IsAbs(path) {
		path = filepath.Join(src.Dir, path)
	}
	data, err = src.ReadFile(path)
	switch {
	case err == nil:
		return shown, path, data, nil
	case errors.Is(err, fs.ErrNotExist) && how == "":
		return "", "", nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", "", nil, Faults{{File: shown, Text: fmt.Sprintf("no such file: %s names it", cmp.Or(how, "the default"))}}
	default:
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", "", nil, Faults{{File: shown, Text: fmt.Sprintf("cannot be read: %v", err)}}
	}
}
