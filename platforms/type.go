package platforms

// A Type describes a type of platform. Each platform's package exports
// one, and a registry lists them: what reads a configuration, runs the process and
// prints help names no platform.
type Type struct {
	// Name is the value of "type" in parley.yaml, and the name of the platform that the
	// environment describes: "onerun".
	Name string
	// Title is its name in texts for operators: "OneRun".
	Title string
	// New makes an instance from its settings, without touching the network. It reports
	// every fault at once, each setting's as a [conversation.FieldError]. It need not
	// set the instance's name, nor read the settings that every platform has.
	//
	// Nil: conversations of the type have no platform, such as direct ones.
	New func(Settings) (Instance, error)
	// NeedsProject and NeedsAgent are what an agent must name.
	NeedsProject, NeedsAgent bool
	// Environment are the variables that describe an instance, and an agent of it, where
	// there is no file. None: it needs a file.
	Environment []Variable
	// Sample is the commented entry of parley.yaml that `starter init` writes: YAML without
	// indentation, as a text/template. {{.URL}} is the address that was asked for, or empty,
	// and {{yaml .URL}} writes it as a scalar. A line "# key: value" is a setting that is
	// left out. Empty: the type alone is written.
	Sample string
	// Executors are the types of the executors that its tasks name. By default, an agent
	// may use every executor of these types; without configured ones, the default
	// executors of these types are made.
	Executors []string
}

// Settings are the settings of one instance in the configuration.
type Settings interface {
	// Name is the instance's.
	Name() string
	// Decode fills the struct that into points to, by its yaml tags. Fields without a
	// setting keep their values. New joins its own faults to the error of Decode.
	Decode(into any) error
}

// A Variable of the environment describes a setting where there is no file.
type Variable struct {
	// Name is the variable's: "ONERUN_API_KEY".
	Name string
	// Setting is the key that it sets: of the agent if Agent is set, else of the
	// instance.
	Setting string
	Agent   bool
	// Text is for the operator. Of a required variable it is the value to set, after
	// "is not set: "; of another, when to set it: "if it checks a key".
	Text string
	// Example is a value to show. Empty: "...".
	Example string
	// Required variables must be set if any of the platform's is.
	Required bool
}
