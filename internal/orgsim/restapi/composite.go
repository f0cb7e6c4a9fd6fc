package restapi

import (
	"strings"
)

// composite serves /composite and what is below it.
func (a *API) composite(c *call, path []string) error {
	if len(path) > 0 && strings.EqualFold(path[0], "sobjects") {
		return a.collections(c, path[1:])
	}
	return resourceMissing()
}
