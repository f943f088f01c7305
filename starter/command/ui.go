package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/ui"
)

// uiFlags are the flags of the command.
type uiFlags struct {
	filterFlags
	port           int
	open, readOnly bool
	bundle         string
}

func (s *starter) uiCommand() *cobra.Command {
	var f uiFlags
	cmd := &cobra.Command{
		Use: "ui", Long: uiHelp, Example: uiExample, Args: noArguments,
		RunE: s.does(func(ctx context.Context, _ []string) error { return s.ui(ctx, f) }),
	}
	f.filterFlags.register(cmd.Flags())
	cmd.Flags().IntVar(&f.port, "port", 0, "listen at this `port` of 127.0.0.1; 0 takes any that is free")
	cmd.Flags().BoolVar(&f.open, "open", false, "open the page in a browser")
	cmd.Flags().BoolVar(&f.readOnly, "read-only", false, "show no buttons, and refuse to act")
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "write the pages as files into this `directory`, and end")
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) ui(ctx context.Context, f uiFlags) error {
	if f.port < 0 || f.port > 65535 {
		return usagef("--port %d is no port: give one up to 65535, or 0 for any", f.port)
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	if f.bundle != "" {
		return s.writeBundle(ctx, o, f)
	}
	live := &records.Live{Reader: o.Reader, Filter: s.filter(f.filterFlags)}
	server, err := ui.Listen(ctx, ui.Config{
		Source: live, Actor: actorUnless(f.readOnly, o), Operator: s.operatorName(), Where: where(o.Reader), Port: f.port,
	})
	if err != nil {
		return err
	}
	if s.inJSON() {
		if err := s.line(map[string]string{"url": server.URL()}); err != nil {
			return errors.Join(err, server.Close())
		}
	} else {
		s.print("%s\n", server.URL())
		s.say("The address has a token: it is for you alone. Ctrl-C ends the page.")
	}
	if f.open {
		if err := openBrowser(ctx, server.URL()); err != nil {
			s.say("starter: no browser could be opened: %v; open the address yourself", err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(ctx) })
	group.Go(func() error { live.Run(ctx); return nil })
	return group.Wait()
}

func actorUnless(readOnly bool, o *operate.Operator) ui.Actor {
	if readOnly {
		return nil
	}
	return o
}

// writeBundle writes the pages as files.
func (s *starter) writeBundle(ctx context.Context, o *operate.Operator, f uiFlags) error {
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	var counts records.Counts
	n, first, err := ui.Bundle{
		Dir: f.bundle, Where: where(o.Reader),
		Read: func(ctx context.Context, use func(records.Record) error) (err error) {
			counts, err = o.Records(ctx, s.filter(f.filterFlags), 0, use)
			return err
		},
	}.Write(ctx)
	if err != nil {
		return err
	}
	if s.inJSON() {
		return s.document(map[string]any{"page": first, "conversations": n, "counts": counts})
	}
	s.print("%s: %s\n", first, count(n, "conversation"))
	return nil
}

// where names the Temporal server on a page.
func where(r *records.Reader) string { return r.Address + " · " + r.Namespace }
