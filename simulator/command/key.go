package command

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"
)

// withKey finds the key: the given one, the key file's, or a new one.
func (f flags) withKey(stdout io.Writer) (flags, error) {
	var err error
	switch {
	case f.apiKey != "":
		return f, nil
	case f.keyFile != "":
		f.apiKey, err = f.readKey()
		return f, err
	case f.printEnv:
		return f, errors.New("--print-env needs the simulator's key: set ONERUN_API_KEY, or give --api-key or --api-key-file; " +
			"a simulator started with --env-file has written it there")
	case f.envFile == "" && !private(stdout):
		return f, errors.New("the key would be a random one that is not printed: give --env-file FILE, --api-key-file FILE or ONERUN_API_KEY " +
			"(it is printed only to a terminal, or into a file that only its owner can read)")
	}
	f.apiKey = rand.Text()
	return f, nil
}

// readKey reads the key file, or makes one with a new key.
func (f flags) readKey() (string, error) {
	data, err := os.ReadFile(f.keyFile)
	if errors.Is(err, fs.ErrNotExist) && !f.printEnv {
		key := rand.Text()
		if err := writePrivate(f.keyFile, []byte(key+"\n")); err != nil {
			return "", fmt.Errorf("--api-key-file: %w", err)
		}
		return key, nil
	}
	if err != nil {
		return "", fmt.Errorf("--api-key-file: %w", err)
	}
	key := strings.TrimSpace(string(data))
	if key == "" || !plainKey(key) {
		return "", fmt.Errorf("--api-key-file: %s has no key of plain characters on one line", f.keyFile)
	}
	return key, nil
}

// writePrivate writes a file that only its owner can read.
func writePrivate(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := file.Chmod(0o600); err != nil { // it may have been there
		return errors.Join(err, file.Close())
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// private is whether only the user can read what is written to w.
func private(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	if term.IsTerminal(int(file.Fd())) {
		return true
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 == 0
}
