package payloads

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/parley-run/parley/internal/settings"
)

const (
	// readEvery is the age at which files are read again.
	readEvery = 15 * time.Second
	// readAtOnce is that age while a key is missing: payloads may come by the thousand.
	readAtOnce = time.Second
)

// A Ring has the keys. It is safe for concurrent use.
type Ring struct {
	cfg Config
	now func() time.Time

	mu      sync.Mutex
	keys    map[string]key
	current string
	read    time.Time
	warned  string // the fault that was logged last
	// missed are the keys that payloads asked for in vain, and when they last did.
	missed map[string]time.Time
}

// A key is one of the ring. The secret tells whether a file has got another key.
type key struct {
	secret []byte
	aead   tink.AEAD
}

// Open reads all keys. It reports every fault at once, each as a
// [conversation.FieldError].
func Open(ctx context.Context, cfg Config) (*Ring, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, now: time.Now, keys: map[string]key{}, missed: map[string]time.Time{}}
	once, err := cfg.readOnce(ctx)
	var f settings.Faults
	f.Include(settingsErrors(err)...)
	files, err := cfg.readAgain()
	f.Include(settingsErrors(err)...)
	maps.Copy(once, files)
	for name, secret := range once {
		if r.keys[name], err = newKey(secret); err != nil {
			f.Add("keys."+name, "", "cannot be used: %v", err)
		}
	}
	if f.Err() == nil {
		if r.current, err = r.chosen(); err != nil {
			f.Include(err)
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	r.read = r.now()
	return r, nil
}

// settingsErrors is err as a list, which is empty without one.
func settingsErrors(err error) []error {
	if err == nil {
		return nil
	}
	return []error{err}
}

func newKey(secret []byte) (key, error) {
	parameters, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, 12)
	if err != nil {
		return key{}, err
	}
	k, err := xaesgcm.NewKey(secretdata.NewBytesFromData(secret, insecuresecretdataaccess.Token{}), 0, parameters)
	if err != nil {
		return key{}, err
	}
	m := keyset.NewManager()
	id, err := m.AddKey(k)
	if err != nil {
		return key{}, err
	}
	if err := m.SetPrimary(id); err != nil {
		return key{}, err
	}
	handle, err := m.Handle()
	if err != nil {
		return key{}, err
	}
	a, err := aead.New(handle)
	return key{secret: secret, aead: a}, err
}

// chosen is the name of the key that encrypts, as the configuration or its file has it.
func (r *Ring) chosen() (string, error) {
	name, field := r.cfg.Key, "key"
	if r.cfg.KeyFile != "" {
		field = "key_file"
		text, err := readFile(r.cfg.path(r.cfg.KeyFile))
		if err != nil {
			return "", settings.Fault(field, "", "cannot be read: %v", err)
		}
		// What is no name may be a key that was put into the wrong file.
		if name = strings.TrimSpace(text); !validName.MatchString(name) || len(name) >= keySize {
			return "", settings.Fault(field, "write one of the key ring's names into it", "has no name of a key in it")
		}
	}
	if _, ok := r.keys[name]; !ok {
		return "", settings.Fault(field, "add it to encryption.keys, or name one that is there", "is %q, which is not in the key ring", name)
	}
	return name, nil
}

// Current is the name of the key that encrypts now.
func (r *Ring) Current() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh(readEvery)
	return r.current
}

// Names are those of all keys, sorted.
func (r *Ring) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.keys))
}

// encrypting is the key that encrypts.
func (r *Ring) encrypting() (string, tink.AEAD) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh(readEvery)
	return r.current, r.keys[r.current].aead
}

// decrypting is the key of that name. Without it, the files are read again first.
func (r *Ring) decrypting(name string) (tink.AEAD, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.keys[name]; !ok {
		r.refresh(readAtOnce)
	}
	k, ok := r.keys[name]
	if !ok {
		r.miss(name)
		return nil, false
	}
	delete(r.missed, name)
	return k.aead, true
}

const (
	// missedFor is how long a key counts as missing after a payload asked for it: longer
	// than the longest pause before Temporal tries a workflow task again.
	missedFor = 15 * time.Minute
	// maxMissed bounds the names that are kept: they come from payloads.
	maxMissed = 100
)

// miss records that a payload asked for a key in vain.
func (r *Ring) miss(name string) {
	if _, known := r.missed[name]; known || len(r.missed) < maxMissed && validName.MatchString(name) {
		r.missed[name] = r.now()
	}
}

// Missing are the names of the keys that payloads asked for in vain within the last
// quarter of an hour and that have not come since, sorted.
func (r *Ring) Missing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh(readEvery)
	maps.DeleteFunc(r.missed, func(name string, at time.Time) bool {
		_, have := r.keys[name]
		return have || r.now().Sub(at) > missedFor
	})
	return slices.Sorted(maps.Keys(r.missed))
}

// refresh reads the files again if they were read longer than age ago. Keys are added and
// stay until the program ends: a file that is gone for a moment must not stop it.
func (r *Ring) refresh(age time.Duration) {
	if r.now().Sub(r.read) < age {
		return
	}
	r.read = r.now()
	files, err := r.cfg.readAgain()
	var f settings.Faults
	f.Include(settingsErrors(err)...)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		have, ok := r.keys[name]
		switch {
		case ok && !bytes.Equal(have.secret, files[name]):
			f.Add("keys."+name, "give a new key a new name", "has changed, and payloads under its name need the old one, which stays in use")
		case !ok:
			k, err := newKey(files[name])
			if err != nil {
				f.Add("keys."+name, "", "cannot be used: %v", err)
				continue
			}
			r.keys[name] = k
			r.cfg.Logger.Info("encryption key added", "key", name)
		}
	}
	if name, err := r.chosen(); err != nil {
		f.Include(err)
	} else if name != r.current {
		r.cfg.Logger.Info("encryption key changed", "from", r.current, "to", name)
		r.current = name
	}
	r.warn(f.Err())
}

// warn logs a fault once.
func (r *Ring) warn(err error) {
	text := ""
	if err != nil {
		text = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if text != "" && text != r.warned {
		r.cfg.Logger.Warn("encryption keys not read again: the old ones stay in use", "reason", text)
	}
	r.warned = text
}

// Format keeps the keys out of every print.
func (r *Ring) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "key ring with %s", strings.Join(r.Names(), ", "))
}
