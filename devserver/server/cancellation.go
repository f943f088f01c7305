package server

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// readTime bounds a read that its client has given up.
const readTime = 10 * time.Second

// finishReads lets lists, counts and descriptions end in their own time when their client
// cancels them or dies. A cancelled statement interrupts SQLite's only connection, and with
// it the statements of others that are under way: the connection may then stay unusable.
func finishReads(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	for _, read := range []string{"List", "Count", "Scan", "Describe"} {
		if strings.HasPrefix(method, read) {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), readTime)
			defer cancel()
			break
		}
	}
	return handle(ctx, req)
}
