package payloads

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/settings"
)

const (
	// keySize is AES-256's.
	keySize = 32
	// maxKeyText is far above any spelling of a key.
	maxKeyText = 4 << 10
	// commandTimeout leaves a key management service time for retries of its own.
	commandTimeout = 30 * time.Second
)

// Errors say nothing about the content: it may be a key.
var errNoKey = errors.New("is no key: it must be 32 bytes, in base64 or in hexadecimal digits (make one with: openssl rand -base64 32)")

// parseKey reads a key's text.
func parseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if key, err := hex.DecodeString(text); err == nil && len(key) == keySize {
		return key, nil
	}
	text = strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(text); err == nil && len(key) == keySize {
			return key, nil
		}
	}
	return nil, errNoKey
}

// readFile reads a small file.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", reason(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyText+1))
	switch {
	case err != nil:
		return "", reason(err)
	case len(data) > maxKeyText:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxKeyText)
	}
	return string(data), nil
}

// reason is an error without the operation that it begins with.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}

// readAgain reads the keys that are in files, by their names. Directories are read again
// to find new files.
func (c Config) readAgain() (map[string][]byte, error) {
	var f settings.Faults
	keys := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		if file := c.Keys[name].File; file != "" {
			c.add(keys, &f, name, "keys."+name+".file", c.path(file))
		}
	}
	if c.Directory == "" {
		return keys, f.Err()
	}
	dir := c.path(c.Directory)
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.Add("directory", "", "cannot be read: %v", reason(err))
	}
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(dir, entry.Name())
		// A mounted secret has links to files, and folders of its own that begin with a dot.
		if info, err := os.Stat(path); strings.HasPrefix(name, ".") || err == nil && info.IsDir() {
			continue
		}
		if c.KeyFile != "" && c.path(c.KeyFile) == path {
			continue
		}
		if !validName.MatchString(name) {
			f.Add("directory", nameRemedy, "has a file %q, which is no name of a key", name)
			continue
		}
		if _, ok := c.Keys[name]; ok {
			f.Add("directory", "keep one of them", "has a key %q, which stands in keys too", name)
			continue
		}
		c.add(keys, &f, name, "directory", path)
	}
	return keys, f.Err()
}

// add reads one file.
func (c Config) add(keys map[string][]byte, f *settings.Faults, name, field, path string) {
	text, err := readFile(path)
	if err != nil {
		f.Add(field, "", "cannot be read: %v", err)
		return
	}
	if keys[name], err = parseKey(text); err != nil {
		delete(keys, name)
		f.Add(field, "", "names %s, which %v", path, err)
	}
}

// readOnce reads the keys that are not in files.
func (c Config) readOnce(ctx context.Context) (map[string][]byte, error) {
	var f settings.Faults
	keys := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		var (
			s     = c.Keys[name]
			field = "keys." + name
			text  string
			err   error
		)
		switch {
		case s.Env != "":
			field += ".env"
			if text = c.variable(s.Env); text == "" {
				f.Add(field, "", "names %s, which is not set", s.Env)
				continue
			}
		case len(s.Command) > 0:
			field += ".command"
			if text, err = output(ctx, s.Command, c.Dir); err != nil {
				f.Add(field, "", "%v", err)
				continue
			}
		default:
			continue
		}
		if keys[name], err = parseKey(text); err != nil {
			delete(keys, name)
			f.Add(field, "", "gives what %v", err)
		}
	}
	return keys, f.Err()
}

func (c Config) variable(name string) string {
	if c.LookupEnv == nil {
		return ""
	}
	value, set := c.LookupEnv(name)
	if !set {
		return ""
	}
	return value
}

// output runs a command and returns what it prints.
func output(ctx context.Context, command []string, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	cmd.Stdout, cmd.Stderr = &limited{to: &stdout}, &limited{to: &stderr}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("runs %q, which did not end within %v", command[0], commandTimeout)
	case err != nil:
		return "", fmt.Errorf("runs %q, which failed: %w %s", command[0], err, firstLine(stderr.String()))
	}
	return stdout.String(), nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return fmt.Sprintf("%.200q", line)
}

// limited keeps the beginning of an output and takes the rest.
type limited struct{ to *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.to.Write(p[:min(len(p), maxKeyText-l.to.Len())])
	return len(p), nil
}
