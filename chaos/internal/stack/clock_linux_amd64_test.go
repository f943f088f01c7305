package stack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const showClock = "CHAOS_TEST_SHOW_CLOCK"

// TestMain is also the program whose clock is another one.
func TestMain(m *testing.M) {
	if os.Getenv(showClock) != "" {
		before := time.Now()
		fmt.Println(before.UnixNano(), time.Since(before).Nanoseconds())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestClockIsAhead(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{7 * time.Minute, -9 * time.Minute, 0} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{showClock + "=1"}
		var out bytes.Buffer
		cmd.Stdout = &out
		p, err := startAhead(cmd, ahead)
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("this machine does not permit it: %v", err)
		}
		require.NoError(t, err)
		require.NoError(t, p.Err())
		wall, monotonic, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
		n, err := strconv.ParseInt(wall, 10, 64)
		require.NoError(t, err)
		require.InDelta(t, ahead.Seconds(), time.Until(time.Unix(0, n)).Seconds(), 30)
		took, err := strconv.ParseInt(monotonic, 10, 64)
		require.NoError(t, err)
		require.Less(t, time.Duration(took), 30*time.Second)
	}
}
