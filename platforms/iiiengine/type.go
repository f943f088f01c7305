package iiiengine

import (
	"errors"

	"github.com/parley-run/parley/platforms"
)

// Type describes the platform to a registry.
func Type() platforms.Type {
	return platforms.Type{Name: "iii", Title: "the iii engine", New: fromSettings, Sample: sample}
}

func fromSettings(s platforms.Settings) (platforms.Instance, error) {
	cfg := Defaults()
	cfg.Name = s.Name()
	decodeErr := s.Decode(&cfg)
	platform, err := New(cfg)
	if err := errors.Join(decodeErr, err); err != nil {
		return platforms.Instance{}, err
	}
	return platform.Instance(), nil
}
