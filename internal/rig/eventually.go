package rig

import (
	"fmt"
	"testing"
	"time"
)

// Patience bounds what tests wait for. It ends a test that hangs, and says nothing about
// speed: a machine may be busy with other tests, other programs and the race detector.
// What must be fast is measured where time is the test's own (testing/synctest).
const Patience = 5 * time.Minute

// Eventually waits until the condition holds, and fails the test after Patience. It runs
// the condition in the test's goroutine, so that a failed requirement in it ends the test
// at once. The message is made when it fails: give it pointers to what changes.
func Eventually(t testing.TB, condition func() bool, message ...any) {
	t.Helper()
	began := time.Now()
	for pause := shortestPause; ; pause = min(pause*5/4, longestPause) {
		asked := time.Now()
		if condition() {
			return
		}
		if time.Since(began) > Patience {
			t.Fatalf("this has not come true within %v: %s", Patience, described(message))
		}
		// What is expensive to find out is asked for less often.
		timer := time.NewTimer(max(pause, 2*time.Since(asked)))
		select {
		case <-timer.C:
		case <-t.Context().Done():
			timer.Stop()
			t.Fatalf("the test ended before this came true: %s", described(message))
		}
	}
}

const (
	shortestPause = 10 * time.Millisecond
	longestPause  = 200 * time.Millisecond
)

func described(message []any) string {
	if len(message) == 0 {
		return "the line above says what"
	}
	if format, ok := message[0].(string); ok {
		return fmt.Sprintf(format, message[1:]...)
	}
	return fmt.Sprint(message...)
}
