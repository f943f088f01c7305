package runagenttest

// A Shape is the format of an answer.
type Shape int

// The shapes.
const (
	// Structured is the current one: data is a text that holds a type and a payload.
	Structured Shape = iota
	// ResultData is the cloud's older one: data.result_data.data.
	ResultData
	// OutputData is the oldest one: output_data beside success.
	OutputData
)

// Answer sets the shape of the following answers.
func (s *Server) Answer(shape Shape) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shape = shape
}

// A Fault is the failure of one run.
type Fault struct {
	// Status answers with that status and Body, without running the agent.
	Status     int
	Body       string
	RetryAfter string
	// AfterRun has the agent run before the Status is answered.
	AfterRun bool
	// Drop closes the connection without an answer: before the run, or with
	// AfterRun after it. A stream is cut off after its first chunk.
	Drop bool
	// Stall takes the request, runs nothing, and answers only when the client has
	// gone.
	Stall bool
	// Raw answers a run with that body and status 200, or sends that text as a
	// stream's only frame before the socket closes.
	Raw string
	// Close is the code with which a stream is closed before it starts.
	Close int
}

// Fail makes the next runs fail, one for each fault.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

func (s *Server) nextFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return Fault{}
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f
}
