package fault

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration that JSON writes as "1.5s". Reading also takes a
// bare number of milliseconds.
type Duration time.Duration

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads text such as "2m" or a number of milliseconds.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var millis float64
	if err := json.Unmarshal(data, &millis); err == nil {
		*d = Duration(millis * float64(time.Millisecond))
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("read duration: want text like \"2m\" or a number of milliseconds: %w", err)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}
