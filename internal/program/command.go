package program

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

// Errors of a program before it runs.
var (
	ErrNone  = errors.New("there is no such program")
	ErrStart = errors.New("the program does not start")
)

// Remedy is the remedy of an error of [Find] or [Start] that waiting cannot resolve. It
// is empty for others.
func Remedy(err error) string {
	switch {
	case errors.Is(err, ErrNone):
		return "check command and dir, and that the program is installed"
	case errors.Is(err, ErrStart) && (errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOEXEC)):
		return "check command: a script needs a first line such as #!/usr/bin/env python3, and the right to be executed"
	}
	return ""
}

// Find returns the path of the program name that is to run in dir. A relative path
// starts there; an empty dir is this process's.
func Find(name, dir string) (string, error) {
	if dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return "", fmt.Errorf("%w: dir, %s, is no directory", ErrNone, dir)
		}
	}
	if strings.ContainsRune(filepath.ToSlash(name), '/') && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%w: %s is not executable", ErrNone, name)
	} else if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNone, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNone, err)
	}
	return path, nil
}

// PassedEnv are the variables of this process's environment that every program receives:
// what it needs to find other programs, a home and a language.
func PassedEnv() []string {
	return []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SYSTEMROOT"}
}

// Environment returns a function that builds the environment of a program: [PassedEnv],
// the names in pass, and own, which take precedence. A function, so that no field holds
// a secret that fmt would print.
func Environment(pass []string, own map[string]secret.String, lookup func(string) (string, bool)) func() []string {
	return func() []string {
		var env []string
		for _, name := range slices.Concat(PassedEnv(), pass) {
			if _, given := own[name]; given {
				continue
			}
			if value, ok := lookup(name); ok {
				env = append(env, name+"="+value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(own)) {
			env = append(env, name+"="+own[name].Reveal())
		}
		return env
	}
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// IsVariable reports whether name is a valid name of an environment variable.
func IsVariable(name string) bool { return variable.MatchString(name) }

// IsShellLine reports whether a command seems to be meant for a shell.
func IsShellLine(command []string) bool {
	return len(command) == 1 && strings.ContainsAny(command[0], " \t") && !filepath.IsAbs(command[0])
}

// Validate adds every fault of a command's arguments and variables to f, each
// with its key.
func Validate(command []string, env map[string]secret.String, f *settings.Faults) {
	for i, arg := range command {
		if strings.ContainsRune(arg, 0) {
			f.Add(fmt.Sprintf("command[%d]", i), "", "contains a zero byte")
		}
	}
	for name, value := range env {
		if !IsVariable(name) {
			f.Add("env."+name, "", "is no name of a variable")
		}
		if strings.ContainsRune(value.Reveal(), 0) {
			f.Add("env."+name, "", "contains a zero byte")
		}
	}
}
