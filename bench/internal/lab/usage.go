package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process uses.
type Usage struct {
	RSS   int64 // bytes
	Files int
	CPU   time.Duration // since its start
}

// clockTick is the unit of times in /proc, which is the same on every architecture that
// Go supports.
const clockTick = 10 * time.Millisecond

// UsageOf reads what Linux knows of a process.
func UsageOf(pid int) (Usage, error) { return usageIn("/proc/" + strconv.Itoa(pid)) }

func usageIn(at string) (Usage, error) {
	var u Usage
	files, err := os.ReadDir(at + "/fd")
	if err != nil {
		return u, fmt.Errorf("lab: the process has ended, or this is not Linux, whose /proc tells memory and processor times: %w", err)
	}
	u.Files = len(files)
	statm, err := os.ReadFile(at + "/statm")
	if err != nil {
		return u, fmt.Errorf("lab: %w", err)
	}
	memory := strings.Fields(string(statm))
	if len(memory) < 2 {
		return u, fmt.Errorf("lab: %s/statm has %d fields", at, len(memory))
	}
	pages, err := strconv.ParseInt(memory[1], 10, 64)
	if err != nil {
		return u, fmt.Errorf("lab: %s/statm: %w", at, err)
	}
	u.RSS = pages * int64(os.Getpagesize())
	stat, err := os.ReadFile(at + "/stat")
	if err != nil {
		return u, fmt.Errorf("lab: %w", err)
	}
	// The name, in parentheses, may have spaces and parentheses of its own.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, system = 11, 12
	if len(fields) <= system {
		return u, fmt.Errorf("lab: %s/stat has %d fields", at, len(fields))
	}
	for _, field := range []string{fields[user], fields[system]} {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("lab: %s/stat: %w", at, err)
		}
		u.CPU += time.Duration(ticks) * clockTick
	}
	return u, nil
}
