package command

import (
	"cmp"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/printable"
)

// maxOperatorName is what the workflows take.
const maxOperatorName = 200

// registerAs is for the commands whose requests record who made them.
func (f *globalFlags) registerAs(flags *pflag.FlagSet) {
	flags.StringVar(&f.as, "as", "", "record this `name` as the operator's (default: USER@HOST of the system)")
}

// operatorName is who decides: by --as, or else the system's user. It is a record, not a
// proof: who may send requests is up to Temporal's own access control.
func (s *starter) operatorName() string {
	return printable.Name(cmp.Or(s.flags.as, systemUser()), maxOperatorName)
}

func systemUser() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil && host != "" {
		name += "@" + host
	}
	return name
}
