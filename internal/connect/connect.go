// Package connect opens the connection to Temporal and explains in one line why that
// fails. The settings are those of Temporal's own tools: TEMPORAL_* variables, profiles
// in temporal.toml, TLS, API keys.
package connect

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"

	"github.com/parley-run/parley/internal/httpclient"
)

// DefaultTimeout is how long Temporal may take to answer the first calls.
const DefaultTimeout = 5 * time.Second

// Options say where Temporal is. The zero value is a local server without TLS.
type Options struct {
	// Environ is the environment, as from os.Environ.
	Environ []string
	// Lookup, if not nil, finds variables instead of Environ. Environ is then read only
	// for TEMPORAL_GRPC_META_*, whose names are not known beforehand.
	Lookup func(name string) (string, bool)
	// Address and Namespace override what the environment and its profile say.
	Address, Namespace string
	// Logger is the SDK's. Nil: none.
	Logger *slog.Logger
	// Metrics is the SDK's. Nil: none.
	Metrics client.MetricsHandler
	// Identity names this process in histories. Empty: pid and host.
	Identity string
	// Timeout is how long Temporal may take to answer. Zero: [DefaultTimeout].
	Timeout time.Duration
	// Warn hears of credentials that are sent without encryption. Nil: the Logger does.
	Warn func(text string)
	// Change, if not nil, changes the client's options once all others are set. The
	// [Client] has the values that result, those of plugins included.
	Change func(*client.Options)
}

// A Client is a connection, together with what it is connected to.
type Client struct {
	client.Client
	Address, Namespace string
	// Identity names this process in histories.
	Identity string
	// Converter reads and writes the payloads of histories, with the codec if there is
	// one. Nil: the SDK's default.
	Converter converter.DataConverter
	// Replayer is what a replayer needs to run workflows as the workers of this client do.
	Replayer worker.WorkflowReplayerOptions

	requests *requests
}

// The reasons why there is no connection.
var (
	// ErrConfig: the settings are wrong.
	ErrConfig = errors.New("temporal: settings")
	// ErrUnreachable: nothing answers at the address.
	ErrUnreachable = errors.New("temporal: unreachable")
	// ErrInsecure: it answers, but not with the TLS of the settings. Such an error is
	// ErrUnreachable too.
	ErrInsecure = errors.New("temporal: no secure connection")
	// ErrDenied: the server does not accept the credentials.
	ErrDenied = errors.New("temporal: denied")
	// ErrNamespace: the server has no such namespace.
	ErrNamespace = errors.New("temporal: no such namespace")
)

// An Error explains in one line, with a remedy, why there is no connection. It wraps one
// of the reasons above and the cause.
type Error struct {
	Reason error
	// Text says what is wrong, without what package says it.
	Text string
	// Remedy says what can be done. Empty: nothing is known.
	Remedy string
	Err    error
}

// Error is "temporal: what is wrong (remedy)".
func (e *Error) Error() string {
	text := "temporal: " + e.Text
	if e.Remedy != "" {
		text += " (" + e.Remedy + ")"
	}
	return text
}

// Unwrap returns the reason, and the cause if there is one.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// Dial connects and checks that the namespace exists.
func Dial(ctx context.Context, o Options) (*Client, error) {
	options, err := o.load()
	if err != nil {
		return nil, err
	}
	timeout := cmp.Or(o.Timeout, DefaultTimeout)
	options.ConnectionOptions.GetSystemInfoTimeout = timeout
	tasks := &requests{}
	tasks.option(&options)
	// gRPC would ask DNS for settings of the service (TXT of _grpc_config.HOST), which Temporal
	// has none of, and wait for the answer: without a name server that answers, as in containers
	// on a machine that is offline, there would be no connection to an address that is known.
	options.ConnectionOptions.DialOptions = append(slices.Clip(options.ConnectionOptions.DialOptions), grpc.WithDisableServiceConfig())
	// Plugins change the options once more, when the client is made.
	options.Plugins = append(slices.Clip(options.Plugins), &witness{options: &options})
	c, err := dial(ctx, &options, timeout)
	switch {
	case err != nil && ctx.Err() != nil: // the caller's own deadline
		return nil, ctx.Err()
	case err != nil:
		return nil, explain(err, options, timeout)
	}
	o.warnOf(options)
	return &Client{
		Client: c, Address: options.HostPort, Namespace: options.Namespace, Identity: options.Identity, Converter: options.DataConverter,
		Replayer: replayer(options), requests: tasks,
	}, nil
}

// warnOf reports an API key that goes to another machine without TLS.
func (o Options) warnOf(options client.Options) {
	host, _, err := net.SplitHostPort(options.HostPort)
	if err != nil || options.Credentials == nil || options.ConnectionOptions.TLS != nil || httpclient.OnThisMachine(host) {
		return
	}
	text := fmt.Sprintf("TEMPORAL_API_KEY goes to %s without TLS: everyone on the way can read it (set TEMPORAL_TLS=true)", options.HostPort)
	switch {
	case o.Warn != nil:
		o.Warn(text)
	case o.Logger != nil:
		o.Logger.Warn(text)
	}
}

// replayer takes from a client's options what the SDK's workers take from them.
func replayer(o client.Options) worker.WorkflowReplayerOptions {
	r := worker.WorkflowReplayerOptions{
		DataConverter: o.DataConverter, FailureConverter: o.FailureConverter, ContextPropagators: o.ContextPropagators,
		ExternalStorage: o.ExternalStorage,
	}
	for _, one := range o.Interceptors {
		if works, ok := one.(interceptor.WorkerInterceptor); ok {
			r.Interceptors = append(r.Interceptors, works)
		}
	}
	for _, one := range o.Plugins {
		if works, ok := one.(worker.Plugin); ok {
			r.Plugins = append(r.Plugins, works)
		}
	}
	return r
}

// A witness is the last plugin of a client: it copies the options that the client is
// made with.
type witness struct {
	client.PluginBase
	options *client.Options
}

func (*witness) Name() string { return "parley.witness" }

func (w *witness) ConfigureClient(_ context.Context, final client.PluginConfigureClientOptions) error {
	*w.options = *final.ClientOptions
	return nil
}

func dial(ctx context.Context, options *client.Options, timeout time.Duration) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := client.DialContext(ctx, *options)
	if err == nil {
		if err = checkNamespace(ctx, c, options.Namespace); err == nil {
			return c, nil
		}
		c.Close()
	}
	if ctx.Err() != nil { // the errors of cancelled calls vary
		err = errors.Join(ctx.Err(), err)
	}
	return nil, err
}

func (o Options) load() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: environment{o}})
	if err != nil {
		return client.Options{}, &Error{
			Reason: ErrConfig, Err: err,
			Text: oneLine(err), Remedy: "check the TEMPORAL_* variables and the profile",
		}
	}
	options.HostPort = cmp.Or(o.Address, options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(o.Namespace, options.Namespace, client.DefaultNamespace)
	options.Logger = log.NewStructuredLogger(cmp.Or(o.Logger, slog.New(slog.DiscardHandler)))
	options.MetricsHandler = o.Metrics
	options.Identity = cmp.Or(o.Identity, options.Identity)
	if o.Change != nil {
		o.Change(&options)
	}
	if _, _, err := net.SplitHostPort(options.HostPort); err != nil && !strings.Contains(options.HostPort, ":///") {
		return client.Options{}, &Error{Reason: ErrConfig, Err: err, Text: fmt.Sprintf("the address %q is no host:port", options.HostPort),
			Remedy: "write it like 127.0.0.1:7233, in TEMPORAL_ADDRESS or the profile"}
	}
	return options, nil
}

// checkNamespace checks that the namespace exists: otherwise the first poll would fail. A
// key without the right to describe it passes.
func checkNamespace(ctx context.Context, c client.Client, name string) error {
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: name})
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	if err == nil || errors.As(err, &denied) || errors.As(err, &unimplemented) {
		return nil
	}
	return err
}

func explain(err error, options client.Options, timeout time.Duration) error {
	var (
		noNamespace *serviceerror.NamespaceNotFound
		notFound    *serviceerror.NotFound
		denied      *serviceerror.PermissionDenied
		invalid     *serviceerror.InvalidArgument
	)
	at, text := options.HostPort, withoutAddress(oneLine(err), options.HostPort)
	switch {
	case errors.As(err, &noNamespace), errors.As(err, &notFound):
		return &Error{Reason: ErrNamespace, Err: err, Text: fmt.Sprintf("the server at %s has no namespace %q", at, options.Namespace),
			Remedy: "set TEMPORAL_NAMESPACE, or make it: temporal operator namespace create --namespace " + options.Namespace}
	// What a proxy in front of the server answers has no type of error.
	case errors.As(err, &denied), strings.Contains(text, "Unauthenticated"), strings.Contains(text, "nauthorized"):
		return &Error{Reason: ErrDenied, Err: err, Text: fmt.Sprintf("the server at %s refuses the credentials: %s", at, text),
			Remedy: "check TEMPORAL_API_KEY, the TEMPORAL_TLS_* variables and the profile"}
	case options.ConnectionOptions.TLS != nil && isTLS(err, text):
		reason := ErrUnreachable
		if isInsecure(err, text) {
			reason = errors.Join(ErrUnreachable, ErrInsecure)
		}
		return &Error{Reason: reason, Err: err, Text: fmt.Sprintf("no secure connection to %s: %s", at, text),
			Remedy: "check the TEMPORAL_TLS* variables"}
	case errors.As(err, &invalid):
		return &Error{Reason: ErrConfig, Err: err, Text: fmt.Sprintf("the server at %s: %s", at, text)}
	case strings.Contains(text, "no children to pick from"): // gRPC's text for a name without an address
		text = "the host is not known"
	case strings.Contains(text, prefaceError):
		text = "what listens there does not answer as Temporal does; it may still be starting, or expect TLS"
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(text, "context deadline exceeded"),
		// A server knows the deadline too, and may end the call a moment earlier.
		strings.Contains(text, "RST_STREAM with error code: CANCEL"):
		text = fmt.Sprintf("no answer within %v", timeout)
	}
	return &Error{Reason: ErrUnreachable, Err: err, Text: fmt.Sprintf("no Temporal server at %s: %s", at, text),
		Remedy: "start one with make demo or temporal server start-dev, or set TEMPORAL_ADDRESS"}
}

func isTLS(err error, text string) bool {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		header      tls.RecordHeaderError
	)
	return errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &header) ||
		strings.Contains(text, "tls: ") || strings.Contains(text, "x509: ") || strings.Contains(text, prefaceError)
}

// prefaceError is gRPC's for a connection that was closed, or answered in another
// protocol, before the first frame.
const prefaceError = "error reading server preface"

// withoutAddress removes "dial tcp <address>: " from a text that names the address
// already. The dialled address may be the one that the name resolves to.
func withoutAddress(text, address string) string {
	rest, dialled := strings.CutPrefix(text, "dial tcp ")
	if !dialled {
		return text
	}
	if _, after, found := strings.Cut(rest, ": "); found {
		if _, _, err := net.SplitHostPort(rest[:len(rest)-len(after)-2]); err == nil {
			return after
		}
	}
	return strings.TrimPrefix(rest, address+": ")
}

// oneLine removes what gRPC and the SDK wrap around an error.
func oneLine(err error) string {
	text := err.Error()
	for _, marker := range []string{"Error while dialing: ", "last connection error: ", "failed reaching server: ", "desc = "} {
		if _, after, found := strings.Cut(text, marker); found {
			text = after
			break
		}
	}
	return strings.TrimSuffix(strings.Join(strings.Fields(text), " "), `"`)
}

// environment is the environment for envconfig.
type environment struct{ Options }

func (e environment) Environ() []string { return e.Options.Environ }

func (e environment) LookupEnv(name string) (string, bool) {
	if e.Lookup != nil {
		return e.Lookup(name)
	}
	return LookupIn(e.Options.Environ)(name)
}

// LookupIn finds variables in a list such as os.Environ returns. The last of
// several counts.
func LookupIn(environ []string) func(name string) (string, bool) {
	return func(name string) (string, bool) {
		for i := len(environ) - 1; i >= 0; i-- {
			if k, v, _ := strings.Cut(environ[i], "="); k == name {
				return v, true
			}
		}
		return "", false
	}
}
