package conversation

// A FieldError is one bad setting. What a backend's New returns for bad settings is
// every FieldError there is, joined with [errors.Join], so that a configuration file is
// corrected in one go and each fault has its line.
type FieldError struct {
	// Field is the path of the setting within those of the backend: "base_url",
	// "headers.X-Key", "servers[2].url". Empty: the settings as a whole.
	Field string
	// Text says what is wrong and follows the field: "is empty". It must not
	// contain a secret.
	Text string
	// Remedy says what would be right: "set it to the address of the server". Empty:
	// the text says so.
	Remedy string
}

// Error is one line: "base_url is empty: set it to the address of the server".
func (e *FieldError) Error() string {
	text := e.Text
	if e.Field != "" {
		text = e.Field + " " + text
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}
