package executors

// A Type is a type of executor of an embedding program. A registry lists the types, and
// the configuration names them.
type Type struct {
	// Name is the value of "type" in parley.yaml.
	Name string
	// New makes an executor from its settings, without touching the network. It reports
	// every fault at once, each setting's as a [conversation.FieldError].
	New func(Settings) (Executor, error)
}

// Settings are those of one executor in the configuration.
type Settings interface {
	// Name is the executor's.
	Name() string
	// Decode fills the struct that into points to, by its yaml tags. Fields that are not
	// mentioned keep their values. New joins what it finds wrong itself to the error.
	Decode(into any) error
}
