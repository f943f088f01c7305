package interrupt

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestFirstEndsInOrderSecondAtOnce(t *testing.T) {
	t.Parallel()
	for first, code := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		synctest.Test(t, func(t *testing.T) {
			signals, codes := make(chan os.Signal, 2), make(chan int, 1)
			ctx := until(context.Background(), signals, func(code int) { codes <- code })
			require.Zero(t, Code(ctx))
			signals <- first
			<-ctx.Done()
			require.Equal(t, code, Code(ctx))
			synctest.Wait()
			require.Empty(t, codes)
			signals <- syscall.SIGTERM
			require.Equal(t, 143, <-codes)
		})
	}
}

func TestCodeOfAnotherEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, 130, Code(ctx))
}
