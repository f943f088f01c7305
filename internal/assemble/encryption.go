package assemble

import (
	"context"
	"errors"
	"log/slog"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/payloads"
)

// OpenRing reads the keys of the section encryption. Nil: there is no such section. Its
// error is [config.Faults].
func OpenRing(ctx context.Context, cfg *config.Config, lookup func(string) (string, bool), logger *slog.Logger) (*payloads.Ring, error) {
	if cfg == nil || cfg.Encryption == nil {
		return nil, nil
	}
	var (
		keys = payloads.Config{Dir: cfg.Dir, LookupEnv: lookup, Logger: logger}
		ring *payloads.Ring
	)
	err := cfg.Encryption.Build(&keys, "encryption", func() (err error) {
		ring, err = payloads.Open(ctx, keys)
		return err
	})
	if err == nil && ring == nil {
		// The faults of the section have been reported, and are not twice. To go on without
		// keys would leave payloads readable.
		err = errors.New("encryption: the settings cannot be used: correct that section of the configuration")
	}
	if err != nil {
		return nil, err
	}
	return ring, nil
}

// encryptionFaults are those that can be found without reading a key.
func encryptionFaults(cfg *config.Config) error {
	var keys payloads.Config
	return cfg.Encryption.Build(&keys, "encryption", func() error { return keys.Validate() })
}
