package executors

// A Default is an executor that there is where the configuration has none. Each
// backend's package that has some exports them.
type Default struct {
	// Name and Type are those of the executor.
	Name string
	Type string
	// If names the variable of the environment without which there is no such executor.
	// Empty: there always is. Of several with one name, the first counts.
	If string
	// Settings are fixed ones, by key.
	Settings map[string]string
	// Environment are the variables that settings are taken from.
	Environment []Variable
}

// A Variable of the environment holds a setting of a [Default].
type Variable struct {
	// Name is the variable's, and Setting the key that it is for.
	Name    string
	Setting string
	// Required says what a variable that must be set holds, after "is not set: ". Empty:
	// it need not be set.
	Required string
	// Default is the setting where the variable is not set.
	Default string
}
