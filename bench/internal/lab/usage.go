package lab

import (
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
func UsageOf(pid int) (Usage, error) {
	var u Usage
	at := "/proc/" + strconv.Itoa(pid)
	files, err := os.ReadDir(at + "/fd")
	if err != nil {
		return u, fmt.Errorf("lab: memory and processor times need Linux's /proc: %w", err)
	}
	u.Files = len(files)
	statm, err := os.ReadFile(at + "/statm")
	if err != nil {
		return u, fmt.Errorf("lab: %w", err)
	}
	if fields := strings.Fields(string(statm)); len(fields) > 1 {
		pages, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return u, fmt.Errorf("lab: %s/statm: %w", at, err)
		}
		u.RSS = pages * int64(os.Getpagesize())
	}
	stat, err := os.ReadFile(at + "/stat")
	if err != nil {
		return u, fmt.Errorf("lab: %w", err)
	}
	// The name, in parentheses, may have spaces.
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
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
