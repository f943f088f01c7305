package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/codecserver"
	"github.com/parley-run/parley/payloads"
	"github.com/parley-run/parley/secret"
)

// codecServer has the flags of the command.
type codecServer struct {
	listen, origin, tokenFile, cert, key string
	noTLS                                bool
}

func (s *starter) codecServerCommand() *cobra.Command {
	var c codecServer
	cmd := &cobra.Command{
		Use: "codec-server", Long: codecServerHelp, Example: codecServerExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.codecServer(ctx, c) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&c.listen, "listen", codecserver.DefaultAddress, "`host:port` to listen at")
	flags.StringVar(&c.origin, "ui-origin", "", "`origin` of the web interface, such as http://localhost:8233 (default: no page may ask)")
	flags.StringVar(&c.tokenFile, "token-file", "", "`file` with the token to require, of 16 characters or more")
	flags.StringVar(&c.cert, "tls-cert", "", "`file` with the certificate, in PEM")
	flags.StringVar(&c.key, "tls-key", "", "`file` with the certificate's key, in PEM")
	flags.BoolVar(&c.noTLS, "no-tls", false, "listen without TLS elsewhere than on this machine: a proxy has it")
	return cmd
}

func (s *starter) codecServer(ctx context.Context, c codecServer) error {
	token, err := c.token()
	if err := errors.Join(c.validate(), err); err != nil {
		return usage(err)
	}
	ring, err := s.ring(ctx)
	if err != nil {
		return err
	}
	if ring == nil {
		return usagef("the configuration has no section encryption: nothing is encrypted, and the web interface needs no codec server")
	}
	handler := codecserver.Handler(codecserver.Config{Codec: payloads.NewCodec(ring), Origin: c.origin, Token: token})
	return codecserver.Serve(ctx, codecserver.Listen{Address: c.listen, CertFile: c.cert, KeyFile: c.key, Ready: func(url string) {
		s.say("codec server at %s, with the keys %s", url, strings.Join(ring.Names(), ", "))
		if c.origin == "" {
			s.say("no web interface may ask: give --ui-origin to permit one")
		}
	}}, handler)
}

// validate finds what the command line has wrong.
func (c codecServer) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.origin != "" && !codecserver.IsOrigin(c.origin) {
		fault("--ui-origin %q is no origin: write the scheme and the host with its port, without a path, such as http://localhost:8233", c.origin)
	}
	if (c.cert == "") != (c.key == "") {
		fault("--tls-cert and --tls-key go together")
	}
	if codecserver.IsLoopback(c.listen) {
		return errors.Join(errs...)
	}
	if c.tokenFile == "" {
		fault("--listen %s can be reached from other machines: give --token-file, or listen at 127.0.0.1", c.listen)
	}
	if c.cert == "" && !c.noTLS {
		fault("--listen %s can be reached from other machines: give --tls-cert and --tls-key, or --no-tls where a proxy has TLS", c.listen)
	}
	return errors.Join(errs...)
}

// token is what the file has.
func (c codecServer) token() (secret.String, error) {
	if c.tokenFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < 16 || strings.ContainsAny(token, " \t\r\n/?#%") {
		return "", fmt.Errorf("--token-file %s has no usable token: write one line of 16 characters or more, as from openssl rand -hex 32", c.tokenFile)
	}
	return secret.String(token), nil
}
