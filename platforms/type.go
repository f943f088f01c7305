package platforms

// A Type is what a type of platform says about itself. Each platform's package exports
// one, and a registry lists them: what reads a configuration, runs the process and
// prints help names no platform.
type Type struct {
	// Name is what "type" says in parley.yaml, and what the platform is called that the
	// environment describes: "onerun".
	Name string
	// Title is what people call it: "OneRun".
	Title string
	// New makes an instance from its settings, without touching the network. It reports
	// every fault at once, each setting's as a [conversation.FieldError]. It need not
	// set the instance's name, nor heed what every platform has.
	//
	// Nil: the type stands for no platform, as that of direct conversations.
	New func(Settings) (Instance, error)
	// NeedsProject and NeedsAgent are what an agent must name.
	NeedsProject, NeedsAgent bool
	// Environment are the variables that describe an instance, and an agent of it, where
	// there is no file. None: it takes a file.
	Environment []Variable
	// Executors are the types of the executors that its tasks name. Agents that do not
	// say otherwise may use every executor of these types, and only those there are of
	// them by default.
	Executors []string
}

// Settings are those of one instance in the configuration.
type Settings interface {
	// Name is the instance's.
	Name() string
	// Decode fills the struct that into points to, by its yaml tags. Fields that are not
	// mentioned keep their values. What New still finds wrong is joined to its error.
	Decode(into any) error
}

// A Variable of the environment describes a setting where there is no file.
type Variable struct {
	// Name is the variable's: "ONERUN_API_KEY".
	Name string
	// Setting is the key that it is for: that of the instance, or if Agent is set, that
	// of the agent.
	Setting string
	Agent   bool
	// Text says what a required one must hold, after "is not set: ", and of another
	// when it is to be set: "if it checks a key".
	Text string
	// Example is a value to show. Empty: "...".
	Example string
	// Required variables must be set if any of the platform's is.
	Required bool
}
