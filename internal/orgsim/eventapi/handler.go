package eventapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// maxBody bounds a request.
const maxBody = 1 << 20

// Config is what the API needs of the rest of the org.
type Config struct {
	Bus      *bus.Bus
	Sessions session.Authenticator
	// CountCall counts an authenticated call and returns Sforce-Limit-Info; nil for neither.
	CountCall func() string
	// Next answers what is not ours, and callers without a session.
	Next http.Handler
}

// API is the handler. Safe for concurrent use.
type API struct{ cfg Config }

// New returns the API, or what its configuration lacks.
func New(cfg Config) (*API, error) {
	if cfg.Bus == nil || cfg.Sessions == nil || cfg.Next == nil {
		return nil, errors.New("event api needs bus, sessions and the next handler")
	}
	if cfg.CountCall == nil {
		cfg.CountCall = func() string { return "" }
	}
	return &API{cfg: cfg}, nil
}

var (
	entityPath = regexp.MustCompile(`^(/services/data/v\d+\.0)(/tooling)?/sobjects/(\w+)(?:/(\w{15}|\w{18}))?(/push)?/?$`)
	queryPath  = regexp.MustCompile(`^(/services/data/v\d+\.0)(/tooling)?/query(?:All)?/?$`)
)

// call is one request to an entity.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	base    string // "/services/data/v67.0", with "/tooling" for that API
	tooling bool
	entity  *entity
	id      string
}

// ServeHTTP answers one call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := a.find(w, r)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	known := strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "OAuth")
	if known && serve != nil {
		_, known = a.cfg.Sessions.Authenticate(strings.TrimSpace(token))
	}
	if serve == nil || !known {
		a.cfg.Next.ServeHTTP(w, r)
		return
	}
	if info := a.cfg.CountCall(); info != "" {
		w.Header().Set("Sforce-Limit-Info", info)
	}
	if err := serve(); err != nil {
		writeError(w, err)
	}
}

// find returns what answers the request, nil if that is not this API.
func (a *API) find(w http.ResponseWriter, r *http.Request) func() error {
	if m := entityPath.FindStringSubmatch(r.URL.Path); m != nil {
		e := a.entity(m[3], m[2] != "")
		if e == nil {
			return nil
		}
		c := &call{w: w, r: r, base: m[1] + m[2], tooling: m[2] != "", entity: e, id: m[4]}
		if m[5] != "" {
			return func() error { return a.push(c) }
		}
		return func() error { return c.serve() }
	}
	if m := schemaPath.FindStringSubmatch(r.URL.Path); m != nil {
		return func() error { return a.eventSchema(w, r, m[1], m[2]) }
	}
	if m := queryPath.FindStringSubmatch(r.URL.Path); m != nil {
		q := parseQuery(r.URL.Query().Get("q"))
		if q == nil {
			return nil
		}
		if e := a.entity(q.from, m[2] != ""); e != nil {
			c := &call{w: w, r: r, base: m[1] + m[2], tooling: m[2] != "", entity: e}
			return func() error { return c.query(q) }
		}
	}
	return nil
}

func (c *call) serve() error {
	switch {
	case c.r.Method == http.MethodPost && c.id == "" && c.entity.create != nil:
		return c.create()
	case c.r.Method == http.MethodGet && c.id != "":
		return c.read()
	case c.r.Method == http.MethodPatch && c.id != "" && c.entity.update != nil:
		return c.update()
	case c.r.Method == http.MethodDelete && c.id != "" && c.entity.remove != nil:
		return c.remove()
	}
	return &problem{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '" + c.r.Method + "' not allowed.", nil}
}

func (c *call) create() error {
	id, err := c.entity.create(c)
	if err != nil {
		return err
	}
	answer := map[string]any{"id": id, "success": true, "errors": []any{}}
	if c.tooling {
		answer["warnings"], answer["infos"] = []any{}, []any{}
	}
	c.w.Header().Set("Location", c.url(id))
	writeJSON(c.w, http.StatusCreated, answer)
	return nil
}

func (c *call) url(id string) string { return c.base + "/sobjects/" + c.entity.name + "/" + id }

func (c *call) read() error {
	row, err := c.row()
	if err != nil {
		return err
	}
	row["attributes"] = map[string]string{"type": c.entity.name, "url": c.url(row["Id"].(string))}
	writeJSON(c.w, http.StatusOK, row)
	return nil
}

// row finds the record of the call.
func (c *call) row() (map[string]any, error) {
	for _, row := range c.entity.list() {
		if id := row["Id"].(string); strings.HasPrefix(id, c.id) {
			return row, nil
		}
	}
	return nil, &problem{http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist", nil}
}

func (c *call) update() error {
	row, err := c.row()
	if err != nil {
		return err
	}
	if err := c.entity.update(c, row["Id"].(string)); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) remove() error {
	row, err := c.row()
	if err != nil {
		return err
	}
	if err := c.entity.remove(row["Id"].(string)); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// decode reads the request's body.
func (c *call) decode(v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody)).Decode(v); err != nil {
		return &problem{http.StatusBadRequest, "JSON_PARSER_ERROR", "The request body cannot be read: " + err.Error(), nil}
	}
	return nil
}

// problem is an error answer.
type problem struct {
	status        int
	code, message string
	fields        []string
}

func (p *problem) Error() string { return p.code + ": " + p.message }

func writeError(w http.ResponseWriter, err error) {
	p := &problem{http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", nil}
	var refused *record.Error
	if errors.As(err, &refused) {
		p = &problem{http.StatusBadRequest, refused.Code, refused.Message, refused.Fields}
	} else {
		_ = errors.As(err, &p)
	}
	body := map[string]any{"message": p.message, "errorCode": p.code}
	if p.fields != nil {
		body["fields"] = p.fields
	}
	writeJSON(w, p.status, []any{body})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
