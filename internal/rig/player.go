package rig

import (
	"context"
	"fmt"

	"github.com/parley-run/parley/internal/sim"
)

// Endless is a persona that never leaves. Its conversations end at the turn limit.
type Endless struct {
	// Pad makes every message about this many bytes long.
	Pad int
}

// Reply implements sim.Player.
func (e Endless) Reply(_ context.Context, turn sim.PersonaTurn) (string, bool, error) {
	return fmt.Sprintf("persona message %04d %s", len(turn.Messages), padding(e.Pad)), false, nil
}

func padding(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmno "[i%16]
	}
	return string(b)
}
