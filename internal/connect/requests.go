package connect

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
)

// requests remembers when the request was made that brought a task of an activity. The
// server has started the task later than that, so the attempt is younger than the request,
// by this machine's clock alone.
type requests struct {
	mu     sync.Mutex
	began  map[string]time.Time // by task token
	pruned time.Time
}

// kept is how long a request is remembered. Older ones prove nothing of use.
const kept = time.Minute

// intercept is a gRPC interceptor. A task comes with the answer to a poll, or, if it is
// eager, with the answer to the completion of the workflow task that has scheduled it.
func (r *requests) intercept(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	began := time.Now()
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	switch answer := reply.(type) {
	case *workflowservice.PollActivityTaskQueueResponse:
		r.add(began, answer)
	case *workflowservice.RespondWorkflowTaskCompletedResponse:
		r.add(began, answer.GetActivityTasks()...)
	}
	return nil
}

func (r *requests) add(began time.Time, tasks ...*workflowservice.PollActivityTaskQueueResponse) {
	if time.Since(began) > kept {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began == nil {
		r.began = make(map[string]time.Time)
	}
	for _, task := range tasks {
		if token := task.GetTaskToken(); len(token) > 0 {
			r.began[string(token)] = began
		}
	}
	if time.Since(r.pruned) > kept { // those of activities that do not ask
		r.pruned = time.Now()
		for token, began := range r.began {
			if time.Since(began) > kept {
				delete(r.began, token)
			}
		}
	}
}

// taken is when the request for a task began, once. Zero: it is not known.
func (r *requests) taken(token []byte) time.Time {
	if r == nil {
		return time.Time{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	began := r.began[string(token)]
	delete(r.began, string(token))
	return began
}

// option has the connection tell r of its requests.
func (r *requests) option(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = append(slices.Clip(*dial), grpc.WithChainUnaryInterceptor(r.intercept))
}

// TaskRequested is when the request began with which this process got the task of an
// activity attempt: Temporal has started the attempt after that. It answers once for each
// task. Zero: it is not known.
func (c *Client) TaskRequested(token []byte) time.Time { return c.requests.taken(token) }
