package payloads_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"

	"github.com/parley-run/parley/payloads"
)

// files makes a folder with files of those contents.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		write(t, dir, name, text)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func TestKeysFromEverywhere(t *testing.T) {
	t.Parallel()
	raw, err := hex.DecodeString(keyText("k"))
	require.NoError(t, err)
	std, url := base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)
	dir := files(t, map[string]string{
		"k1": std + "\n", "more/k4": url, "more/k5": keyText("k") + "\r\n", "more/.hidden": "x", "more/..data/k9": "x", "more/current": "k5\n",
	})
	ring, err := payloads.Open(t.Context(), payloads.Config{
		KeyFile: "more/current",
		Keys: map[string]payloads.Source{
			"k1": {File: "k1"}, "k2": {Env: "KEY_2"}, "k3": {Command: []string{"echo", std}},
		},
		Directory: "more", Dir: dir,
		LookupEnv: func(name string) (string, bool) { return std, name == "KEY_2" },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"k1", "k2", "k3", "k4", "k5"}, ring.Names())
	require.Equal(t, "k5", ring.Current())
	require.Equal(t, "key ring with k1, k2, k3, k4, k5", fmt.Sprintf("%+v", ring))
}

func TestFaultsOfKeys(t *testing.T) {
	t.Parallel()
	const secret = "hush-hush-hush"
	dir := files(t, map[string]string{"bad": secret, "good": keyText("k"), "folder/k 1": keyText("k"), "long": string(bytes.Repeat([]byte("a"), 5000)), "key-in-place-of-name": keyText("k")})
	good := map[string]payloads.Source{"k1": {File: "good"}}
	for _, tc := range []struct {
		name string
		cfg  payloads.Config
		want string
	}{
		{"Nothing", payloads.Config{}, "keys is empty"},
		{"NoKeyNamed", payloads.Config{Keys: good}, "key is missing"},
		{"KeyAndKeyFile", payloads.Config{Keys: good, Key: "k1", KeyFile: "x"}, "key_file stands beside key"},
		{"UnknownKey", payloads.Config{Keys: good, Key: "k2"}, `key is "k2", which is not in the key ring: add it to encryption.keys`},
		{"NoName", payloads.Config{Keys: map[string]payloads.Source{"a b": {File: "good"}}, Key: "k1"}, "keys.a b is no name of a key"},
		{"NoSource", payloads.Config{Keys: map[string]payloads.Source{"k1": {}}, Key: "k1"}, "keys.k1 has 0 sources: write exactly one"},
		{"TwoSources", payloads.Config{Keys: map[string]payloads.Source{"k1": {File: "good", Env: "X"}}, Key: "k1"}, "keys.k1 has 2 sources"},
		{"NoFile", payloads.Config{Keys: map[string]payloads.Source{"k1": {File: "gone"}}, Key: "k1"}, "keys.k1.file cannot be read: "},
		{"BadFile", payloads.Config{Keys: map[string]payloads.Source{"k1": {File: "bad"}}, Key: "k1"}, "which is no key: it must be 32 bytes"},
		{"LongFile", payloads.Config{Keys: map[string]payloads.Source{"k1": {File: "long"}}, Key: "k1"}, "more than 4096 bytes"},
		{"NoVariable", payloads.Config{Keys: map[string]payloads.Source{"k1": {Env: "GONE"}}, Key: "k1"}, "keys.k1.env names GONE, which is not set"},
		{"BadVariable", payloads.Config{Keys: map[string]payloads.Source{"k1": {Env: "BAD"}}, Key: "k1"}, "keys.k1.env gives what is no key"},
		{"NoCommand", payloads.Config{Keys: map[string]payloads.Source{"k1": {Command: []string{"/no/such/program"}}}, Key: "k1"}, "keys.k1.command runs"},
		{"FailingCommand", payloads.Config{Keys: map[string]payloads.Source{"k1": {Command: []string{"sh", "-c", "echo no access >&2; exit 3"}}}, Key: "k1"}, "no access"},
		{"SilentCommand", payloads.Config{Keys: map[string]payloads.Source{"k1": {Command: []string{"true"}}}, Key: "k1"}, "gives what is no key"},
		{"NoDirectory", payloads.Config{Directory: "gone", Key: "k1"}, "directory cannot be read"},
		{"BadNameInDirectory", payloads.Config{Directory: "folder", Key: "k1"}, `directory has a file "k 1"`},
		{"KeyFileGone", payloads.Config{Keys: good, KeyFile: "gone"}, "key_file cannot be read"},
		{"KeyFileWithKey", payloads.Config{Keys: good, KeyFile: "key-in-place-of-name"}, "key_file has no name of a key in it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.cfg.Dir = dir
			tc.cfg.LookupEnv = func(name string) (string, bool) { return secret, name == "BAD" }
			_, err := payloads.Open(t.Context(), tc.cfg)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), keyText("k"))
		})
	}
}

// Rotation needs no restart: the new key is put into the directory, then its name into
// the file.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"keys/k1": keyText("k1"), "current": "k1"})
	var log bytes.Buffer
	cfg := payloads.Config{Directory: "keys", KeyFile: "current", Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ring, err := payloads.Open(t.Context(), cfg)
	require.NoError(t, err)
	now := time.Now()
	ring.At(func() time.Time { return now })
	before := seal(t, ring, nil, payload(t, said))

	write(t, dir, "keys/k2", keyText("k2"))
	write(t, dir, "current", "k2\n")
	require.Equal(t, "k1", ring.Current(), "files are not read at each payload")
	now = now.Add(16 * time.Second)
	require.Equal(t, "k2", ring.Current())
	after := seal(t, ring, nil, payload(t, said))
	require.Equal(t, "k2", string(after.GetMetadata()[payloads.MetadataKey]))
	_, err = codec(ring, nil).Decode([]*common.Payload{before, after})
	require.NoError(t, err)
	require.Contains(t, log.String(), "from=k1 to=k2")

	// A payload of a key that has just been added is read at once.
	write(t, dir, "keys/k3", keyText("k3"))
	now = now.Add(2 * time.Second)
	_, err = codec(ring, nil).Decode([]*common.Payload{seal(t, ringOf(t, "k3"), nil, payload(t, said))})
	require.NoError(t, err)
}

// What goes wrong with the files while the program runs leaves the keys as they are.
func TestKeysThatCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"Changed": func(t *testing.T, dir string) { write(t, dir, "k1", keyText("another")) },
		"Gone":    func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "k1"))) },
		"Empty":   func(t *testing.T, dir string) { write(t, dir, "k1", "") },
		"NoName":  func(t *testing.T, dir string) { write(t, dir, "current", "k7") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := files(t, map[string]string{"k1": keyText("k1"), "current": "k1"})
			var log bytes.Buffer
			ring, err := payloads.Open(t.Context(), payloads.Config{
				KeyFile: "current", Keys: map[string]payloads.Source{"k1": {File: "k1"}}, Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			require.NoError(t, err)
			now := time.Now()
			ring.At(func() time.Time { return now })
			sealed := seal(t, ring, nil, payload(t, said))
			spoil(t, dir)
			for range 3 {
				now = now.Add(time.Minute)
				require.Equal(t, "k1", ring.Current())
			}
			_, err = codec(ring, nil).Decode([]*common.Payload{sealed})
			require.NoError(t, err)
			require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("level=WARN")), log.String())
			require.NotContains(t, log.String(), keyText("another"))
		})
	}
}
