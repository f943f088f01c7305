//go:build unix && !linux

package stack

import (
	"errors"
	"os"
)

func mountMemory(string, int64) error { return errors.New("needs Linux") }

func unmountMemory(string) {}

func takeAll(*os.File) error { return errors.New("needs Linux") }
