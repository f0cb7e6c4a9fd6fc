package restapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The API versions the org serves: 31.0 (Summer '14) to 67.0 (Summer '26).
const (
	oldestVersion = 31
	newestVersion = 67
)

// releaseName names a version's release: three a year, and 33 is Spring '15.
func releaseName(version int) string {
	n := version - 33
	year := 15 + floorDiv(n, 3)
	season := []string{"Spring", "Summer", "Winter"}[n-3*floorDiv(n, 3)]
	if season == "Winter" {
		year++
	}
	return fmt.Sprintf("%s '%02d", season, year)
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// versionOf reads "v67.0". Retired versions are gone, unknown ones do not exist.
func versionOf(segment string) (string, *problem) {
	number, ok := strings.CutSuffix(strings.TrimPrefix(strings.ToLower(segment), "v"), ".0")
	v, err := strconv.Atoi(number)
	if !ok || err != nil || v > newestVersion || v < 7 || !strings.HasPrefix(strings.ToLower(segment), "v") {
		return "", resourceMissing()
	}
	if v < oldestVersion {
		return "", &problem{
			status: http.StatusGone, code: "UNSUPPORTED_API_VERSION",
			message: fmt.Sprintf("API version %d.0 is retired; the oldest supported version is %d.0", v, oldestVersion),
		}
	}
	return strconv.Itoa(v) + ".0", nil
}

// atLeast says whether the call's version is v or newer.
func (c *call) atLeast(v int) bool {
	n, _ := strconv.Atoi(strings.TrimSuffix(c.version, ".0"))
	return n >= v
}

// versions lists the versions; it needs no session.
func (a *API) versions(c *call) {
	if c.method != http.MethodGet && c.method != http.MethodHead {
		writeError(c.w, notAllowed(c.method, "GET", "HEAD"))
		return
	}
	type version struct {
		Label   string `json:"label"`
		URL     string `json:"url"`
		Version string `json:"version"`
	}
	list := make([]version, 0, newestVersion-oldestVersion+1)
	for v := oldestVersion; v <= newestVersion; v++ {
		number := strconv.Itoa(v) + ".0"
		list = append(list, version{releaseName(v), "/services/data/v" + number, number})
	}
	writeJSON(c.w, http.StatusOK, list)
}

// resources maps resource names to paths, and identity to the user's URL.
func (a *API) resources(c *call) error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	root := map[string]string{
		"identity": fmt.Sprintf("%s/id/%s/%s", a.cfg.InstanceURL(c.r), c.session.OrgID, c.session.UserID),
	}
	for _, name := range []string{"sobjects", "query", "queryAll", "search", "parameterizedSearch", "limits", "composite", "jobs", "tooling"} {
		root[name] = c.base() + "/" + name
	}
	writeJSON(c.w, http.StatusOK, root)
	return nil
}

// base is the path of the call's version.
func (c *call) base() string { return "/services/data/v" + c.version }

// allow refuses methods that the resource does not have.
func (c *call) allow(methods ...string) error {
	for _, m := range methods {
		if c.method == m {
			return nil
		}
	}
	return notAllowed(c.method, methods...)
}
