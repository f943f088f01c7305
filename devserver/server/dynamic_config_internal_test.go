package server

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/dynamicconfig"
)

func TestSetDynamicConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key, text string
		want      any // as the server reads it; nil: refused
	}{
		"Number":        {"history.maxTotalUpdates", "5000", 5000},
		"Bool":          {"system.enableNexus", "true", true},
		"JSONString":    {"history.timerProcessorMaxTimeShift", `"1s"`, "1s"},
		"PlainString":   {"history.timerProcessorMaxTimeShift", "1s", "1s"},
		"AnyCase":       {"HISTORY.MaxTotalUpdates", "7", 7},
		"UnknownKey":    {"history.noSuchThing", "1", nil},
		"WrongType":     {"history.maxTotalUpdates", "many", nil},
		"NotADuration":  {"history.timerProcessorMaxTimeShift", "soon", nil},
		"BrokenOutside": {"history.maxTotalUpdates", `1}, {"value": 2`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := DynamicConfig{}
			err := SetDynamicConfig(settings, test.key, test.text)
			if test.want == nil {
				require.Error(t, err)
				require.Empty(t, settings)
				return
			}
			require.NoError(t, err)
			values := tuned(settings).GetValue(dynamicconfig.MakeKey(test.key))
			require.Len(t, values, 1)
			require.Equal(t, test.want, values[0].Value)
		})
	}
}

// The server ignores a value of the wrong type, which would hide the mistake.
func TestTunedValuesHaveTheRightTypes(t *testing.T) {
	t.Parallel()
	for key, value := range tuned(nil) {
		require.NoError(t, SetDynamicConfig(DynamicConfig{}, key.String(), fmt.Sprint(value)))
	}
}
