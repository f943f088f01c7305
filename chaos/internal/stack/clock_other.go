//go:build unix && !(linux && amd64)

package stack

import (
	"errors"
	"os/exec"
	"time"
)

func trace(*exec.Cmd) {}

func setAhead(int, time.Duration) error { return errors.New("needs Linux on x86-64") }
