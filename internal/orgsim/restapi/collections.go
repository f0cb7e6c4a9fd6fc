package restapi

func (a *API) collections(c *call, path []string) error { return resourceMissing() }
