package connect

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/parley-run/parley/internal/ticket"
)

// requests remembers when the request was made that brought a task of an activity. The
// server has started the task later than that, so the attempt is younger than the request,
// by this machine's clock alone.
type requests struct {
	mu     sync.Mutex
	began  map[string]origin // by task token
	pruned time.Time
	lost   ticket.Lost
}

// origin is the request that has brought a task.
type origin struct {
	began time.Time
	// eager: it was the completion of the workflow task that has scheduled the activity.
	eager bool
}

// kept is how long a request is remembered. Older ones prove nothing of use.
const kept = time.Minute

// intercept is a gRPC interceptor. A task comes with the answer to a poll, or, if it is
// eager, with the answer to the completion of the workflow task that has scheduled it.
func (r *requests) intercept(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	began := time.Now()
	err := invoke(ctx, method, req, reply, cc, opts...)
	if completion, ok := req.(*workflowservice.RespondWorkflowTaskCompletedRequest); ok {
		r.lost.Answered(completion, err)
	}
	if err != nil {
		return err
	}
	switch answer := reply.(type) {
	case *workflowservice.PollActivityTaskQueueResponse:
		r.add(origin{began: began}, answer)
	case *workflowservice.RespondWorkflowTaskCompletedResponse:
		r.add(origin{began: began, eager: true}, answer.GetActivityTasks()...)
	}
	return nil
}

func (r *requests) add(from origin, tasks ...*workflowservice.PollActivityTaskQueueResponse) {
	if time.Since(from.began) > kept {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began == nil {
		r.began = make(map[string]origin)
	}
	for _, task := range tasks {
		if token := task.GetTaskToken(); len(token) > 0 {
			r.began[string(token)] = from
		}
	}
	if time.Since(r.pruned) > kept { // those of activities that do not ask
		r.pruned = time.Now()
		for token, from := range r.began {
			if time.Since(from.began) > kept {
				delete(r.began, token)
			}
		}
	}
}

// taken is what is known of the request for a task, once. Zero: nothing.
func (r *requests) taken(token []byte) origin {
	if r == nil {
		return origin{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.began[string(token)]
	delete(r.began, string(token))
	return from
}

// option has the connection tell r of its requests, and of the answers as the SDK gets them:
// after all interceptors of the caller.
func (r *requests) option(options *client.Options) {
	dial := &options.ConnectionOptions.DialOptions
	*dial = slices.Concat([]grpc.DialOption{grpc.WithChainUnaryInterceptor(r.intercept, sendAgain)}, *dial)
}

// TaskRequested is when the request began with which this process got the task of an
// activity attempt: Temporal has started the attempt after that. Eager: the task came with the
// answer to the workflow task that has scheduled the activity, so it is the first attempt. It
// answers once for each task. Zero: it is not known.
func (c *Client) TaskRequested(token []byte) (began time.Time, eager bool) {
	from := c.requests.taken(token)
	return from.began, from.eager
}

// TaskLost reports that the eager task with this ticket was on its way to this process and has
// not arrived: no worker has begun that attempt. See [ticket.Lost].
func (c *Client) TaskLost(ticket string) bool {
	return c.requests != nil && c.requests.lost.Has(ticket)
}
