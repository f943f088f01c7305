package payloads

import (
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/parley-run/parley/internal/settings"
)

// Config says where the keys are. A key has 32 bytes, written in base64 or in hexadecimal
// digits, as from: openssl rand -base64 32
type Config struct {
	// Key names the key that encrypts; the others only decrypt.
	Key string `yaml:"key"`
	// KeyFile has that name in a file, in place of Key. It is read again while the
	// program runs.
	KeyFile string `yaml:"key_file"`
	// Keys are the keys by their names. A name stands in each payload and must always
	// mean the same key.
	Keys map[string]Source `yaml:"keys"`
	// Directory has a key in each file, by the file's name. New files are found while the
	// program runs. Names that begin with a dot are left out. Empty: there is none.
	Directory string `yaml:"directory"`

	// Dir is what relative paths are relative to. Empty: the working directory.
	Dir string `yaml:"-"`
	// LookupEnv finds variables. Nil: there are none.
	LookupEnv func(name string) (string, bool) `yaml:"-"`
	// Logger hears of keys that cannot be read again. Nil: nobody.
	Logger *slog.Logger `yaml:"-"`
}

// A Source is where one key is: exactly one of its fields is set.
type Source struct {
	// File has the key. It is read again while the program runs.
	File string `yaml:"file"`
	// Env is the variable that has it.
	Env string `yaml:"env"`
	// Command prints it, within 30 seconds. It runs once, at the start, without a shell
	// and with the program's environment; so a key management service can keep the key.
	Command []string `yaml:"command"`
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

const nameRemedy = "use letters, digits, and . _ - between them, 64 at most"

// Validate reports every fault that can be found without reading a key, each as a
// [conversation.FieldError].
func (c Config) Validate() error {
	var f settings.Faults
	if len(c.Keys) == 0 && c.Directory == "" {
		f.Add("keys", "name a key, such as k1: {file: /run/secrets/parley-k1}, or a directory of keys", "is empty")
	}
	switch {
	case c.Key == "" && c.KeyFile == "":
		f.Add("key", "write the name of the key that encrypts", "is missing")
	case c.Key != "" && c.KeyFile != "":
		f.Add("key_file", "keep one of them", "stands beside key")
	case c.Key != "" && !validName.MatchString(c.Key):
		f.Add("key", nameRemedy, "is %q, which is no name of a key", c.Key)
	case c.Key != "" && c.Directory == "":
		if _, ok := c.Keys[c.Key]; !ok && len(c.Keys) > 0 {
			f.Add("key", "add it to encryption.keys, or name one that is there", "is %q, which is not in the key ring", c.Key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		field := "keys." + name
		if !validName.MatchString(name) {
			f.Add(field, nameRemedy, "is no name of a key")
			continue
		}
		s, given := c.Keys[name], 0
		for _, is := range []bool{s.File != "", s.Env != "", len(s.Command) > 0} {
			if is {
				given++
			}
		}
		if given != 1 {
			f.Add(field, "write exactly one of file, env and command", "has %d sources", given)
		}
	}
	return f.Err()
}

// path is where a file of the configuration is.
func (c Config) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.Dir, name)
}
